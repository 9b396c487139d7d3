"""For `make outputs`: run every notebook and store what a diff should show, no more."""

import os
import tempfile

from nbconvert.preprocessors import Preprocessor

from exercises.learner_record import forget_progress


class ForgetProgress(Preprocessor):
    """What is stored is the view of a learner who begins, whichever notebooks ran before."""

    def preprocess(self, notebook, resources):
        forget_progress()
        return notebook, resources


class DropEmptyOutputs(Preprocessor):
    """A progress bar leaves an output without data behind."""

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("data", True)]
        return cell, resources


os.environ["TUTORIAL_PROGRESS"] = tempfile.mkdtemp() + "/progress.jsonl"

c = get_config()  # noqa: F821  (given by nbconvert)

c.NotebookExporter.preprocessors = [
    ForgetProgress,
    "nbconvert.preprocessors.ExecutePreprocessor",
    DropEmptyOutputs,
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
]
c.ExecutePreprocessor.timeout = 120
c.ExecutePreprocessor.record_timing = False
c.ClearMetadataPreprocessor.preserve_cell_metadata_mask = {"tags"}
c.ClearMetadataPreprocessor.preserve_nb_metadata_mask = {"kernelspec", ("language_info", "name")}
