"""The rules find the mistakes of the notebooks in other people's code, and nothing in what we tell people to copy."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest
import yaml
from answers import exercises_of, wrong_answers
from measure_rules import AST_GREP, compare, findings, labels, own_code
from test_docs import text_of

from exercises import find_mistakes

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "rules"
README = (RULES / "README.md").read_text(encoding="utf-8")
VERSION = re.search(r"^ast-grep-cli==([\d.]+)", (RULES / "requirements.txt").read_text(), re.M)[1]
EACH = [rule for path in sorted((RULES / "mistakes").glob("*.yml")) for rule in yaml.safe_load_all(path.read_text())]
IN_THE_CORE = "notebooks/06_let_only_the_right_identity_read_it.ipynb"
A_SERVICE = Path(__file__).parent / "service_with_six_mistakes"


def ast_grep(*arguments, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([AST_GREP, *arguments], capture_output=True, encoding="utf-8", check=False, **options)


def test_each_rule_finds_its_cases_and_no_others():
    done = ast_grep("test", "--skip-snapshot-tests", cwd=RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    cases = [case for path in (RULES / "tests").glob("*.yml") for case in yaml.safe_load_all(path.read_text())]
    assert sorted(case["id"] for case in cases if case["valid"] and case["invalid"]) == sorted(
        rule["id"] for rule in EACH
    )


@pytest.mark.parametrize("rule", EACH, ids=lambda rule: rule["id"])
def test_each_rule_says_what_is_wrong_what_to_do_and_which_notebook_shows_it(rule):
    assert re.fullmatch(r"[A-Z][^\n]*\.", rule["message"]) and rule["severity"] in ("error", "warning", "hint")
    where = rule["url"][rule["url"].index("notebooks/") :]
    assert rule["note"].endswith(f"See the tutorial's {where}.\n") and (ROOT / where).is_file()


def test_the_table_has_each_mistake_with_its_severity_and_notebook():
    table = dict(re.findall(r"^\| `([\w-]+)`.*?\| (\w+ \| \[.*?\]\(\.\./.*?\)) \|$", README, re.M))
    for rule in EACH:
        mistake = next(name for name in sorted(table, reverse=True) if rule["id"].startswith(name))
        assert table[mistake].startswith(rule["severity"]) and rule["url"].rpartition("notebooks/")[2] in table[mistake]
    assert len(table) == len(list((RULES / "mistakes").glob("*.yml")))


def test_what_we_tell_people_to_copy_has_no_finding_and_most_of_what_is_labelled_is_found():
    found = own_code()
    assert found.false_alarms == []
    assert found.recall >= 0.75
    copied = "notebooks/momento_client.py", "notebooks/services/visits_async.py", "notebooks/services/visits_wsgi.py"
    assert not [
        one for one in found.found if one.file in copied or one.file.startswith(("momento_token", "deploy", "pages"))
    ]


def the_line(page: str) -> str:
    """The command that a page gives a reader, without uvx, which needs the package index."""
    text = text_of(ROOT / page)
    (line,) = re.findall(r"^uvx --from ast-grep-cli==([\d.]+) (ast-grep [^`]*?)^```", text, re.M)
    assert line[0] == VERSION
    return line[1]


@pytest.mark.parametrize("page", ["README.md", "rules/README.md", IN_THE_CORE])
def test_a_strangers_service_gets_its_six_mistakes_with_their_fixes_by_the_line_alone(page, tmp_path):
    shutil.copytree(A_SERVICE, tmp_path / "my-service")
    (tmp_path / "momento-secrets-tutorial").symlink_to(ROOT)
    command = the_line(page).replace("ast-grep", str(AST_GREP), 1)
    done = subprocess.run(command, shell=True, cwd=tmp_path / "my-service", capture_output=True, encoding="utf-8")
    wanted = labels(A_SERVICE / "labels.csv")
    assert len(wanted) == 6
    found = compare(findings(tmp_path / "my-service"), wanted)
    assert not found.missed and not found.false_alarms
    for one in wanted:
        assert re.search(rf"\[{one.mistake}[\w-]*\].*\n.*{re.escape(one.file)}:{one.line}\b", done.stdout), one
    assert done.stdout.count("See the tutorial's notebooks/") == len(wanted)


A_MISTAKE = "c = CredentialProvider.from_string(token)"
MEANT = f"# ast-grep-ignore: deprecated-constructor\n{A_MISTAKE}"
A_HINT_MEANT = 'sm = boto3.client("secretsmanager")  # ast-grep-ignore: aws-without-timeouts'  # the hook leaves it out


@pytest.mark.parametrize("text, status", [(A_MISTAKE, 1), (MEANT, 0), (A_HINT_MEANT, 0)])
def test_the_hook_of_the_readme_fails_a_commit_unless_a_comment_says_that_it_is_meant(text, status, tmp_path):
    (hook,) = yaml.safe_load(re.search(r"```yaml\n(.*?)```", README, re.S)[1])[0]["hooks"]
    assert hook["additional_dependencies"] == [f"ast-grep-cli=={VERSION}"]
    shutil.copytree(RULES, tmp_path / "rules")
    (tmp_path / "app.py").write_text(text)
    assert ast_grep(*hook["entry"].split()[1:], "app.py", cwd=tmp_path).returncode == status
    assert ast_grep(*hook["entry"].split()[1:], "rules", cwd=tmp_path).returncode == 0


def test_a_learners_own_mistakes_are_found_in_the_exercises_of_any_notebook(tmp_path):
    wrong = {"03_cache_it_on_the_client": wrong_answers("reader")[0][1], "11_fix_a_service": None}
    for name, answer in wrong.items():
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        (cell,) = [cell for cell in notebook.cells if "exercise" in cell.metadata.get("tags", [])]
        cell.source = answer or next(one.source for one in notebook.cells if one.source.startswith("%%writefile hasty"))
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    lines = find_mistakes(tmp_path).lines
    assert [(code, " ".join(what.split()[:4])) for code, what in zip(lines[::2], lines[1::2], strict=True)] == [
        ("03_cache_it_on_the_client: SecretCache(client=sm)", "This function creates its"),
        ("11_fix_a_service: except sm.exceptions.ClientError:", "This serves the old"),
        ('11_fix_a_service: logging.info("read the token %s", token)', "This writes a secret's"),
    ]


def test_the_solutions_of_the_core_have_no_mistake_that_the_rules_find(tmp_path):
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        solutions = [one.solution for one in exercises_of(path).values()]
        for cell in notebook.cells:
            if "exercise" in cell.metadata.get("tags", []):
                cell.source = solutions.pop(0)
        nbformat.write(notebook, tmp_path / path.name)
    assert "no mistake in your exercises" in repr(find_mistakes(tmp_path))


def test_blank_exercises_are_not_praised_and_what_cannot_be_read_is_named(tmp_path):
    notebook = nbformat.read(ROOT / "notebooks/03_cache_it_on_the_client.ipynb", as_version=4)
    nbformat.write(notebook, tmp_path / "03_cache_it_on_the_client-Copy1.ipynb")
    assert "Nothing to read yet" in repr(find_mistakes(tmp_path))
    (tmp_path / "99_broken.ipynb").write_text("{")
    (tmp_path / "98_folder.ipynb").mkdir()
    next(cell for cell in notebook.cells if "exercise" in cell.metadata.get("tags", [])).source = "def read( -> str:"
    nbformat.write(notebook, tmp_path / "03.ipynb")
    said = find_mistakes(tmp_path)
    assert said.mood == "neutral" and len(said.lines) == 3
    for name in (
        "03: a cell has a syntax error",
        "98_folder.ipynb could not be read",
        "99_broken.ipynb could not be read",
    ):
        assert any(line.startswith(name) for line in said.lines)


def test_without_ast_grep_the_cell_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert f"%pip install -q ast-grep-cli=={VERSION}`" in repr(find_mistakes())
