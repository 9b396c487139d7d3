"""`make hub-end`: after the class, remove the accounts of its learners and its folder, with all that they wrote."""

import os
import shutil
import sys

import walls
from class_place import Place

if __name__ == "__main__":
    place = Place.from_environment()
    if not place.learners.is_dir():
        sys.exit(f"There is no class in {place.folder}.")
    names = sorted(os.listdir(place.learners))
    print(f"{place.folder} holds the work of {len(names)} learners, and goes with their accounts.")
    if os.environ.get("YES") != "yes" and input("Type yes to go on: ").strip() != "yes":
        sys.exit("Nothing was removed.")
    if walls.possible():
        walls.remove_accounts(place.learners)
    shutil.rmtree(place.folder)
    print("Removed.")
