from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ops.process.reload import Reloader
from streamer.config import Config
from streamer.hub.registry import Registry
from streamer.hub.stream import Publisher

SECRET = "correct horse battery"
WAIT_S = 20.0


class Applied:
    """Takes configurations and lets a test wait for them."""

    def __init__(self) -> None:
        self.configs: list[Config] = []
        self.arrived = asyncio.Event()

    def __call__(self, config: Config) -> None:
        self.configs.append(config)
        self.arrived.set()

    async def next(self) -> Config:
        async with asyncio.timeout(WAIT_S):
            await self.arrived.wait()
        self.arrived.clear()
        return self.configs[-1]


def titled(title: str) -> str:
    return f'[streams.cam]\ntitle = "{title}"\n'


def replace(path: Path, content: str) -> None:
    partial = path.with_suffix(".new")
    partial.write_text(content)
    partial.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "streamer.toml"
    path.write_text(titled("first"))
    return path


Watch = Callable[[Path], Applied]


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    stop = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    def watch(path: Path) -> Applied:
        applied = Applied()
        tasks.append(asyncio.create_task(Reloader(path, applied).run(stop)))
        return applied

    yield watch
    stop.set()
    async with asyncio.timeout(WAIT_S):
        await asyncio.gather(*tasks)


async def until_seen(applied: Applied, change: Callable[[int], None]) -> Config:
    """Change until the watcher, which starts in a thread of its own, has seen one."""
    waiting = asyncio.create_task(applied.next())
    number = 0
    while not waiting.done():
        change(number := number + 1)
        await asyncio.wait([waiting], timeout=0.3)
    return waiting.result()


class TestFile:
    async def test_a_file_written_in_place(self, path: Path, watch: Watch) -> None:
        applied = watch(path)
        config = await until_seen(applied, lambda n: path.write_text(titled(f"edit {n}")) and None)
        assert config.streams["cam"].title.startswith("edit")

    async def test_a_file_replaced_by_another(self, path: Path, watch: Watch) -> None:
        applied = watch(path)
        config = await until_seen(applied, lambda n: replace(path, titled(f"replaced {n}")))
        assert config.streams["cam"].title.startswith("replaced")

    async def test_a_config_map(self, tmp_path: Path, watch: Watch) -> None:
        # Kubernetes: streamer.toml -> ..data/streamer.toml, and ..data -> ..<time>, which is exchanged.
        def publish(number: int) -> None:
            folder = tmp_path / f"..{number}"
            folder.mkdir()
            (folder / "streamer.toml").write_text(titled(f"map {number}"))
            (tmp_path / "..new").symlink_to(folder.name)
            (tmp_path / "..new").replace(tmp_path / "..data")

        publish(0)
        path = tmp_path / "streamer.toml"
        path.symlink_to("..data/streamer.toml")
        config = await until_seen(watch(path), publish)
        assert config.streams["cam"].title.startswith("map")

    async def test_other_files_of_the_folder_are_nobodys_business(self, path: Path, watch: Watch) -> None:
        applied = watch(path)
        await until_seen(applied, lambda n: replace(path, titled(f"one {n}")))
        before = len(applied.configs)
        (path.parent / "another.toml").write_text("x")
        await until_seen(applied, lambda n: replace(path, titled(f"two {n}")))
        titles = [config.streams["cam"].title for config in applied.configs[before:]]
        assert all(title.startswith("two") for title in titles)

    async def test_a_file_that_is_being_written_is_waited_for(self, path: Path, watch: Watch) -> None:
        applied = watch(path)
        await until_seen(applied, lambda n: replace(path, titled(f"whole {n}")))
        before = len(applied.configs)
        with path.open("w") as file:
            for name in ("one", "two", "three"):
                file.write(f"[streams.{name}]\n")
                file.flush()
                await asyncio.sleep(0.15)
        await applied.next()
        assert all(len(config.streams) == 3 for config in applied.configs[before:])

    async def test_it_ends_when_told(self, path: Path) -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(Reloader(path, Applied()).run(stop))
        stop.set()
        async with asyncio.timeout(WAIT_S):
            await task


class TestReload:
    @pytest.mark.parametrize(
        "content",
        [
            "[streams",
            "[http]\nlistn = 1\n",
            f'[streams.cam]\npassphrase = "{SECRET * 9}"\n',
            f"[streams.cam]\ngrace_s = {'1' * 5000}\n",
            f"x = {'[' * 3000}",
        ],
        ids=["no TOML", "unknown key", "bad value", "long number", "deep"],
    )
    def test_an_invalid_one_changes_nothing(
        self, path: Path, content: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        applied = Applied()
        reloader = Reloader(path, applied)
        path.write_text(content)
        assert not reloader.reload()
        assert applied.configs == []
        assert "the old one stays" in caplog.text
        assert SECRET not in caplog.text

    def test_a_file_that_is_gone_changes_nothing(self, path: Path) -> None:
        applied = Applied()
        reloader = Reloader(path, applied)
        path.unlink()
        assert not reloader.reload()
        assert applied.configs == []

    def test_a_file_of_which_nothing_is_left_changes_nothing(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        applied = Applied()
        reloader = Reloader(path, applied)
        path.write_text("")
        assert not reloader.reload()
        assert not reloader.reload(), "nor when asked again"
        assert applied.configs == []
        assert "the old one stays" in caplog.text
        path.write_text(titled("again"))
        assert reloader.reload()

    def test_one_that_was_empty_from_the_beginning_may_stay_so(self, path: Path) -> None:
        path.write_text("")
        assert Reloader(path, Applied()).reload()

    def test_a_reader_that_fails_changes_nothing(
        self, path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(path: Path) -> Config:
            raise RuntimeError(SECRET)

        applied = Applied()
        monkeypatch.setattr("ops.process.reload.load", fail)
        assert not Reloader(path, applied).reload()
        assert applied.configs == []
        assert "the old one stays: RuntimeError" in caplog.text
        assert SECRET not in caplog.text

    def test_every_finding_is_logged(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        path.write_text("[http]\na = 1\n[srt]\nb = 2\n")
        assert not Reloader(path, Applied()).reload()
        assert "http.a" in caplog.text
        assert "srt.b" in caplog.text

    def test_trouble_while_applying_does_not_end_the_server(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(config: Config) -> None:
            raise RuntimeError("no")

        with caplog.at_level(logging.ERROR):
            assert not Reloader(path, fail).reload()
        assert "could not be applied" in caplog.text

    async def test_on_sighup(self, path: Path) -> None:
        applied = Applied()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, Reloader(path, applied).reload)
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            config = await applied.next()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
        assert config.streams["cam"].title == "first"

    def test_streams_that_did_not_change_are_not_touched(self, path: Path) -> None:
        registry = Registry()
        reloader = Reloader(path, lambda config: registry.apply(config.streams))
        assert reloader.reload()
        cam = registry.find("cam")
        publication = cam.publish(Publisher("p", "srt", "127.0.0.1:1"))
        path.write_text(titled("first") + "[streams.other]\n")
        assert reloader.reload()
        assert registry.find("cam") is cam
        assert cam.publisher is publication.publisher
        path.write_text("[streams.cam")
        assert not reloader.reload()
        assert [stream.name for stream in registry] == ["cam", "other"]
