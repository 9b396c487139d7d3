"""For `make outputs`: run every notebook and store what a diff should show, no more."""

import os
import platform
import sys
import tempfile
from datetime import date
from importlib.metadata import distributions, version

from nbconvert.preprocessors import Preprocessor

from exercises.learner_record import forget_progress
from sandbox.ministack import FOLDER

ALWAYS = ["boto3", "momento", "aws-secretsmanager-caching"]
IF_NAMED = ["cachetools", "dogpile.cache", "aws-lambda-powertools", "fastapi", "gunicorn", "uvicorn"]
WIDGET = "application/vnd.jupyter.widget-view+json"


class ForgetProgress(Preprocessor):
    """What is stored is the view of a learner who begins, whichever notebooks ran before."""

    def preprocess(self, notebook, resources):
        forget_progress()
        return notebook, resources


class DropEmptyOutputs(Preprocessor):
    """A progress bar leaves an output without data behind, and the fields of a panel one that needs their kernel."""

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if "data" not in one or one.data.keys() - {WIDGET}]
        return cell, resources


class RecordDayAndVersions(Preprocessor):
    """Outputs age. The book says on which day, and with which versions of what the notebook names, they were made."""

    def preprocess(self, notebook, resources):
        named = "".join(cell.source for cell in notebook.cells).lower().replace("_", "-")
        versions = {"Python": platform.python_version()}
        versions |= {name: version(name) for name in [*ALWAYS, *(name for name in IF_NAMED if name in named)]}
        if 'aws-engine="ministack"' in named:
            ministack = next(iter(distributions(name="ministack", path=[str(FOLDER), *sys.path])))
            versions["ministack"] = ministack.version
        else:
            versions["moto"] = version("moto")
        notebook.metadata["stored_outputs"] = {"day": date.today().isoformat(), "versions": versions}
        return notebook, resources


os.environ["TUTORIAL_PROGRESS"] = tempfile.mkdtemp() + "/progress.jsonl"

c = get_config()  # noqa: F821  (given by nbconvert)

c.NotebookExporter.preprocessors = [
    ForgetProgress,
    "nbconvert.preprocessors.ExecutePreprocessor",
    DropEmptyOutputs,
    RecordDayAndVersions,
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
]
c.ExecutePreprocessor.timeout = 120
c.ExecutePreprocessor.record_timing = False
c.ClearMetadataPreprocessor.preserve_cell_metadata_mask = {"tags"}
c.ClearMetadataPreprocessor.preserve_nb_metadata_mask = {"kernelspec", ("language_info", "name"), "stored_outputs"}
