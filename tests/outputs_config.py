"""For `make outputs`: run every notebook and store what a diff should show, no more."""

import os
import tempfile

from nbconvert.preprocessors import Preprocessor

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class DropWidgetViews(Preprocessor):
    """Widgets need a kernel: what is stored of them is their plain form, or nothing."""

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "code":
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET_VIEW, None)
            cell.outputs = [output for output in cell.outputs if output.get("data", True)]
        return cell, resources


# What is stored is the view of a learner who begins.
os.environ["TUTORIAL_PROGRESS"] = tempfile.mkdtemp() + "/progress.jsonl"

c = get_config()  # noqa: F821  (given by nbconvert)

c.NotebookExporter.preprocessors = [
    "nbconvert.preprocessors.ExecutePreprocessor",
    DropWidgetViews,
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
]
c.ExecutePreprocessor.timeout = 120
c.ExecutePreprocessor.record_timing = False
c.ExecutePreprocessor.store_widget_state = False
c.ClearMetadataPreprocessor.preserve_cell_metadata_mask = {"tags"}
c.ClearMetadataPreprocessor.preserve_nb_metadata_mask = {"kernelspec", ("language_info", "name")}
