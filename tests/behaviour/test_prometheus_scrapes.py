"""What comes along for Prometheus is understood by it, and it finds the audience of a running server."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from loadtests.crowd.crowd import Crowd, Whep
from loadtests.rig.encoder import Programme, ffmpeg_srt
from loadtests.rig.process import wait_until
from loadtests.rig.server import Server
from tests.behaviour.streams import OPEN, stream_id
from tests.rigs.processes import answers, free_port, running

DEPLOY = Path(__file__).parents[2] / "ops" / "deploy"


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def metrics(server: Server) -> str:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_rules_and_configuration_are_understood() -> None:
    assert "10 rules found" in promtool("check", "rules", DEPLOY / "prometheus" / "alerts.yml")
    assert "SUCCESS" in promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml")


async def test_a_real_one_finds_the_audience(tmp_path: Path) -> None:
    port = free_port()

    def ask(what: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{port}/api/v1/{what}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def value(expression: str) -> float:
        return sum(float(each["value"][1]) for each in ask("query", query=expression)["result"])

    with Server(OPEN) as server:
        text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{server.http_port}").replace("15s", "1s")
        (tmp_path / "prometheus.yml").write_text(text, encoding="utf-8")
        shutil.copy(DEPLOY / "prometheus" / "alerts.yml", tmp_path)
        command = [
            *(
                "prometheus",
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/data",
            ),
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with (
            running(command, tmp_path / "log"),
            ffmpeg_srt(server.srt_port, stream_id(), Programme(size="160x90", bitrate_kbps=200)),
        ):
            server.wait_live("cam")
            wait_until(lambda: answers(port), 30, "Prometheus")
            crowd = Crowd(Whep(f"{server.url}/whep/cam"), "127.0.0.1")
            try:
                assert (await crowd.join(3, 0)).joined == 3
                wait_until(lambda: value('streamer_audience_viewers{stream="cam"}') == 3, 30, "the viewers")
                wait_until(lambda: value("streamer_audience_plays_total") == 3, 30, "the plays")
                assert value('streamer_audience_join_seconds_bucket{le="+Inf"}') == 3
            finally:
                await crowd.close()
            rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
            assert len(rules) == 10
            assert all(rule["health"] in ("ok", "unknown") for rule in rules)
        board = json.loads((DEPLOY / "grafana" / "streamer.json").read_text(encoding="utf-8"))
        shown = metrics(server)
        for panel in board["panels"]:
            for target in panel["targets"]:
                name = target["expr"].split("streamer_", 1)[1].split("{")[0].split("[")[0].split(")")[0]
                assert f"streamer_{name}" in shown, target["expr"]
