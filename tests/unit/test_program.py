"""The benchmarks' ExaBGP matches complete commands only."""

from pathlib import Path

from tests.benchmark.program import Program

WRITER = (
    "print('withdraw route 10.0.0.20/32'); print('withdraw route 10.0.0.2/32', flush=True); input(); input()"
)


def test_address_does_not_match_a_longer_one(tmp_path: Path) -> None:
    (tmp_path / "writer.py").write_text(WRITER)
    with Program(["writer"], tmp_path / "log", {"PYTHONPATH": str(tmp_path)}) as program:
        assert program.wait_for("withdraw route 10.0.0.2", 0.0).line == "withdraw route 10.0.0.2/32"
        assert [command.line for command in program.commands("withdraw route 10.0.0.20")] == [
            "withdraw route 10.0.0.20/32"
        ]
