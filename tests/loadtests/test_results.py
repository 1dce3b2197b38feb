from __future__ import annotations

from pathlib import Path

from loadtests.results import machine, record


def test_a_section_is_added_and_then_replaced(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    record("soak", "python -m loadtests soak", "| first |", file)
    record("fanout", "python -m loadtests fanout", "| other |\n\n### more\n", file)
    record("soak", "python -m loadtests soak", "| second |", file)
    text = file.read_text()
    assert text.startswith("# Results\n")
    assert text.index("## fanout\n") < text.index("## soak\n")
    assert "| first |" not in text and text.count("## soak\n") == 1
    assert "| second |" in text and "### more" in text
    assert machine() in text
