"""What must hold of a process's calls so that a crash at any moment loses no file: the rules of a commit.

The log is that of watch/watch.cc. A file is flushed before it is renamed, a folder's entries before the
folder is, what had the name before is deleted after the new name is flushed, and at the end everything is.
"""
import os


def within(path, folder):
    return path == folder or path.startswith(folder + "/")


class Commits:
    """The files of one folder as a crash would find them, call by call."""

    def __init__(self, root, in_place=lambda name: False):
        self.root, self.in_place = root, in_place
        self.unflushed = set()  # files with bytes that only the page cache has
        self.unnamed = {}       # folder -> {path: kind of call} of entries that only the page cache has
        self.ours = set()       # made by this process, not renamed yet
        self.deleted = set()    # had been there before this process, or been committed by it
        self.broken = []

    def run(self, log):
        for line in log.splitlines():
            kind, *paths = line.split("\t")
            paths = [os.path.normpath(path) for path in paths]
            if all(within(path, self.root) for path in paths):
                getattr(self, "on_" + kind)(*paths)
        self.at_the_end()
        return self.broken

    def short(self, path):
        return os.path.relpath(path, self.root)

    def fails(self, path, text):
        self.broken.append(f"{self.short(path)}: {text}")

    def add_name(self, path, kind):
        self.unnamed.setdefault(os.path.dirname(path), {})[path] = kind

    def drop_name(self, path):
        self.unnamed.get(os.path.dirname(path), {}).pop(path, None)

    def on_create(self, path):
        self.unflushed.add(path)
        self.ours.add(path)
        self.add_name(path, "create")

    def on_mkdir(self, path):
        self.ours.add(path)
        self.add_name(path, "mkdir")

    def on_write(self, path):
        self.unflushed.add(path)

    def on_fsync(self, path):
        self.unflushed.discard(path)
        self.unnamed.pop(path, None)

    def on_unlink(self, path):
        if not any(within(path, own) for own in self.ours):
            self.deleted.add(path)
            for names in self.unnamed.values():
                for name, kind in names.items():
                    if kind == "rename" and not within(path, name):
                        self.fails(path, f"deleted before the name {self.short(name)} was flushed")
        self.unflushed.discard(path)
        self.unnamed.pop(path, None)
        self.ours.discard(path)
        self.drop_name(path)

    def on_rename(self, old, new):
        self.require_flushed(old, new)
        if new in self.deleted:
            self.fails(new, "deleted before its successor had the name")
        move = lambda path: new + path[len(old):] if within(path, old) else path
        self.drop_name(old)
        self.ours = {path for path in self.ours if not within(path, old)}
        self.unflushed = {move(path) for path in self.unflushed}
        self.unnamed = {move(folder): {move(path): kind for path, kind in names.items()}
                        for folder, names in self.unnamed.items()}
        self.add_name(new, "rename")

    def on_exchange(self, old, new):
        self.require_flushed(old, new)
        self.ours = {path for path in self.ours if not within(path, old)}  # old is the predecessor now
        self.drop_name(old)
        self.add_name(new, "rename")

    def require_flushed(self, old, new):
        for path in sorted(self.unflushed):
            if within(path, old):
                self.fails(path, f"not flushed when {self.short(old)} became {self.short(new)}")
        for folder, names in sorted(self.unnamed.items()):
            if names and within(folder, old):
                self.fails(folder, f"entries not flushed when it became {self.short(new)}")

    def at_the_end(self):
        for path in sorted(self.unflushed):
            self.fails(path, "never flushed")
        for folder, names in sorted(self.unnamed.items()):
            for name, kind in sorted(names.items()):
                self.fails(name, f"its folder {self.short(folder)} was not flushed after the {kind}")
        for path in sorted(self.ours):
            if os.path.isfile(path) and not self.in_place(os.path.basename(path)):
                self.fails(path, "written in place, not under a temporary name")
