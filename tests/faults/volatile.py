"""The disk of disk.py as a file system that any program can use: FUSE, in a process of its own.

`python -m tests.faults.volatile MOUNTPOINT` mounts it and takes orders as lines of JSON on its standard input, one
answer for each; when that ends, it unmounts. Each directory below the mount point is a disk of its own.
"""

import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Self

from tests.faults.disk import Fault, File, Folder

REMEDY = (
    "These tests need a file system of their own: /dev/fuse, the right to mount (root, or fusermount3) and libfuse. On "
    "Debian: apt-get install fuse3; in a container: --device /dev/fuse --cap-add SYS_ADMIN."
)
NOTHING: Mapping[str, Any] = {}


class Volatile:
    """The file system's operations. One at a time."""

    use_ns = True

    def __init__(self) -> None:
        """Begin empty."""
        self.folders: dict[str, Folder] = {}
        self._open: dict[int, tuple[Folder, str, File]] = {}
        self._handles = 0

    # --- looking ----------------------------------------------------------------------------------------------------

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        """Tell what is there."""
        folder, name = _split(path)
        if not name:
            if folder and folder not in self.folders:
                raise OSError(errno.ENOENT, path)
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2, "st_uid": os.getuid(), "st_gid": os.getgid()}
        file = self._open[fh][2] if fh in self._open else self._file(path)
        mode = {"st_mode": stat.S_IFREG | file.mode, "st_nlink": 1, "st_uid": os.getuid(), "st_gid": os.getgid()}
        return {**mode, "st_size": len(file.now), "st_blocks": -(-len(file.now) // 512)}

    def readdir(self, path: str, _fh: int) -> list[str]:
        """List names."""
        folder, _ = _split(path)
        return [".", "..", *(self.folders[folder].names if folder else self.folders)]

    def opendir(self, _path: str) -> int:
        """Do nothing."""
        return 0

    def mkdir(self, path: str, _mode: int) -> int:
        """Make a disk."""
        self.folders[_split(path)[0]] = Folder()
        return 0

    # --- files ------------------------------------------------------------------------------------------------------

    def create(self, path: str, mode: int) -> int:
        """Make a file."""
        folder, name = _split(path)
        return self._opened(self.folders[folder], name, self.folders[folder].create(name, mode & 0o777))

    def open(self, path: str, _flags: int) -> int:
        """Open a file."""
        folder, name = _split(path)
        return self._opened(self.folders[folder], name, self._file(path))

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Read."""
        folder, _, file = self._open[fh]
        if folder.dead:
            raise OSError(errno.EIO, path)
        return bytes(file.now[offset : offset + size])

    def write(self, _path: str, data: bytes, offset: int, fh: int) -> int:
        """Write."""
        folder, name, file = self._open[fh]
        return folder.write(name, file, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        """Cut a file, or let it grow."""
        folder, name = _split(path)
        self.folders[folder].resize(name, self._open[fh][2] if fh in self._open else self._file(path), length)
        return 0

    def fsync(self, _path: str, _datasync: int, fh: int) -> int:
        """Make a file durable."""
        folder, name, file = self._open[fh]
        folder.sync(name, file)
        return 0

    def fsyncdir(self, path: str, _datasync: int, _fh: int) -> int:
        """Make names durable."""
        self.folders[_split(path)[0]].sync_names()
        return 0

    def release(self, _path: str, fh: int) -> int:
        """Close a file."""
        del self._open[fh]
        return 0

    def unlink(self, path: str) -> int:
        """Remove a file."""
        folder, name = _split(path)
        self.folders[folder].remove(name)
        return 0

    def rename(self, old: str, new: str) -> int:
        """Rename a file within its directory."""
        folder, name = _split(old)
        self.folders[folder].rename(name, _split(new)[1])
        return 0

    def chmod(self, path: str, mode: int) -> int:
        """Change who may use a file."""
        self._file(path).mode = mode & 0o777
        return 0

    def utimens(self, _path: str, _times: tuple[int, int] | None = None) -> int:
        """Do nothing: there are no times here."""
        return 0

    def _file(self, path: str) -> File:
        folder, name = _split(path)
        found = self.folders[folder].names.get(name)
        if found is None:
            raise OSError(errno.ENOENT, path)
        return found

    def _opened(self, folder: Folder, name: str, file: File) -> int:
        self._handles += 1
        self._open[self._handles] = (folder, name, file)
        return self._handles

    # --- orders -----------------------------------------------------------------------------------------------------

    def ordered(self, order: Mapping[str, Any]) -> object:
        """Carry out an order."""
        folder = self.folders[order["folder"]]
        match order["do"]:
            case "settle":
                folder.settle()
            case "fail":
                folder.done.clear()
                folder.fault = Fault(**order["fault"]) if order["fault"] else None
            case "lie":
                folder.liar = order["about"]
            case "cut":
                seed, into = order["seed"], Path(order["into"])
                for name, (mode, data) in folder.cut(None if seed is None else Random(seed)).items():  # noqa: S311 - no secret
                    (into / name).write_bytes(data)
                    (into / name).chmod(mode)
            case "drop":
                del self.folders[order["folder"]]
        return dict(folder.done)


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.removeprefix("/").partition("/")
    return folder, name


def serve(mountpoint: str) -> None:
    """Mount, and take orders until they end."""
    from mfusepy import FUSE, Operations  # type: ignore[import-untyped]  # noqa: PLC0415 - libfuse is loaded here only

    operations, turn = Volatile(), threading.Lock()

    def one_at_a_time(name: str) -> Callable[..., Any]:
        work = getattr(operations, name)

        def take_turns(*args: Any, **kwargs: Any) -> Any:
            with turn:
                return work(*args, **kwargs)

        take_turns.__name__ = name
        return take_turns

    def listen(_path: str) -> None:
        threading.Thread(target=take_orders, daemon=True).start()

    def take_orders() -> None:
        _say("mounted")
        for line in sys.stdin:
            with turn:
                _say(operations.ordered(json.loads(line)))
        _unmount(mountpoint)

    names = [name for name in vars(Volatile) if not name.startswith("_") and name not in ("ordered", "use_ns")]
    taken: dict[str, Any] = {name: staticmethod(one_at_a_time(name)) for name in names}
    taken |= {"use_ns": True, "init": staticmethod(listen), "create": staticmethod(taken["create"])}
    FUSE(type("Disk", (Operations,), taken)(), mountpoint, foreground=True, nothreads=True, hard_remove=True)


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201 - a program's answer


def _unmount(mountpoint: str) -> None:
    tool = shutil.which("fusermount3") or shutil.which("fusermount")
    words = [tool, "-u", "-z"] if tool else ["umount", "--lazy"]
    subprocess.run([*words, mountpoint], check=False, capture_output=True)  # noqa: S603 - our own words


# --- the side of the tests ------------------------------------------------------------------------------------------


class Mount:
    """A mounted file system, and a way to give it orders."""

    def __init__(self, process: "subprocess.Popen[str]", place: Path) -> None:
        """Use `mounted`."""
        self._process, self.place, self._made = process, place, 0

    def disk(self, template: Path) -> "Disk":
        """Give a fresh disk that holds a durable copy of these files."""
        self._made += 1
        place = self.place / f"d{self._made}"
        place.mkdir()
        for file in sorted(template.iterdir()):
            shutil.copyfile(file, place / file.name)
            (place / file.name).chmod(file.stat().st_mode & 0o777)
        disk = Disk(self, place)
        disk.order("settle")
        return disk

    def order(self, **order: object) -> dict[str, int]:
        """Give an order and wait for its answer: what was done on that disk since it was settled."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps(order), file=stdin, flush=True)
        answer: dict[str, int] = json.loads(stdout.readline())
        return answer


class Disk:
    """One disk of it: a directory."""

    def __init__(self, mount: Mount, place: Path) -> None:
        """Use `Mount.disk`."""
        self._mount, self.place = mount, place

    def order(self, do: str, **values: object) -> dict[str, int]:
        """Give this disk an order."""
        return self._mount.order(do=do, folder=self.place.name, **values)

    def fail(self, fault: Mapping[str, object] | None) -> dict[str, int]:
        """Fail from now on as a `disk.Fault` says, None: no more. Counting begins anew."""
        return self.order("fail", fault=fault)

    def cut(self, into: Path, seed: int | None) -> Path:
        """Cut the power; what is left lies in `into`. `seed` None: nothing but what was promised is left."""
        into.mkdir()
        self.order("cut", into=str(into), seed=seed)
        return into

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget it."""
        self.order("drop")


@contextmanager
def mounted(place: Path) -> Generator[Mount, None, None]:
    """Mount a file system, and unmount it at the end."""
    place.mkdir()
    words = [sys.executable, "-m", "tests.faults.volatile", str(place)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(  # noqa: S603 - our own words
        words, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            if json.loads(process.stdout.readline() or "0") != "mounted":
                assert process.stderr is not None
                raise RuntimeError(f"{REMEDY}\n{process.stderr.read()}")
            yield Mount(process, place)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


if __name__ == "__main__":
    serve(sys.argv[1])
