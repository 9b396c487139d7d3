"""In a pod, before the server: the notebooks, without outputs, into the volume that keeps what a learner writes.

The volume is mounted over the home folder, so the image keeps the repository beside it. What is there stays: a learner
who comes back finds what they left.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from class_files import give
from class_place import Place
from class_push import make_template

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder)).make()
        place.solutions.touch()  # there is no board here to release them
        give(make_template(place), Path(sys.argv[1]))
