"""The drills of notebook 11: sound services of several styles pass, and the others get the finding that fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from answers import NOTEBOOKS, exercises_of, right_answers, wrong_answers
from names import SECRET_NAME

from drills import service_review
from drills.service_review import DRILLS
from exercises import check_service

SOLUTION = exercises_of(next(NOTEBOOKS.glob("11_*.ipynb")))["service"].solution
# What the cells before the exercise have defined.
CELLS = """
import logging, time
from datetime import datetime, timedelta
from threading import Lock
from types import SimpleNamespace

import boto3
from momento import CacheClient, Configurations

CACHE_NAME, configuration = "tutorial", Configurations.Laptop.v1()

def make_cache_client(token):
    return CacheClient(configuration, cloud.credentials_from(token), timedelta(minutes=10))

def read(client):
    return client.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")["SecretString"]
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def service_of(cloud, monkeypatch) -> Callable[[str], Any]:
    """The `Service` of an answer that is run after the solution, whose own class is `Sound` then."""
    monkeypatch.syspath_prepend(NOTEBOOKS)  # for momento_client.py

    def service_of(answer: str) -> Any:
        space = {"cloud": cloud, "SECRET_NAME": SECRET_NAME}
        exec(f"{CELLS}{SOLUTION}\nSound = Service\n{answer}", space)
        return space["Service"]

    return service_of


@pytest.mark.parametrize(("style", "answer"), [("the solution", ""), *right_answers("service")])
def test_a_sound_service_of_any_style_passes(cloud, service_of, style, answer):
    said = repr(check_service(cloud, SECRET_NAME, service_of(answer)))
    assert "Solved." in said, said


@pytest.mark.parametrize(("head", "answer"), wrong_answers("service"))
def test_an_unsound_service_gets_the_finding_that_fits(cloud, service_of, monkeypatch, head, answer):
    drill, _, hint = head.rpartition(" | ")
    monkeypatch.setattr(service_review, "DRILLS", [one for one in DRILLS if one[0].__name__ == drill])
    said = repr(check_service(cloud, SECRET_NAME, service_of(answer)))
    assert "Not yet." in said and hint in said, said
