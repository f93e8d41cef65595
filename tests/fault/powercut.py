"""A disk whose power can be cut: an ext4 file system in an image that lies on
an XFS file system. A clone of the image by reflink is what the disk held at
that moment; what was only in memory is not in it."""

import os
import shutil
import subprocess

from run import need
from spaces import run as must

OUTER_MIB, INNER_MIB = 600, 96


class Disk:
    """In folder: outer (XFS) and inner (ext4, what is used)."""

    def __init__(self, folder):
        need(os.geteuid() == 0, "cutting the power of a disk needs root")
        need(shutil.which("mkfs.xfs"), "xfsprogs is not installed")
        need(shutil.which("mkfs.ext4"), "e2fsprogs is not installed")
        self.folder, self.mounted = folder, []
        self.outer, self.inner = folder / "outer", folder / "inner"
        self.number = 0
        for place in (self.outer, self.inner):
            place.mkdir(parents=True)
        whole = folder / "outer.img"
        self._image(whole, OUTER_MIB, "mkfs.xfs", "-q", "-m", "reflink=1")
        self._mount(whole, self.outer)
        self.image = self.outer / "inner.img"
        self._image(self.image, INNER_MIB, "mkfs.ext4", "-q", "-F")
        self._mount(self.image, self.inner)

    @staticmethod
    def _image(path, mib, *make):
        must("truncate", "-s", f"{mib}M", str(path))
        must(*make, str(path))

    def _mount(self, image, place):
        words = ["mount", "-o", "loop", str(image), str(place)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        need(done.returncode == 0, f"no loop mounts here: {done.stderr.strip()}")
        self.mounted.append(place)

    def cut(self):
        """What a power cut would leave, as another image."""
        self.number += 1
        clone = self.outer / f"cut-{self.number}.img"
        must("cp", "--reflink=always", str(self.image), str(clone))
        return clone

    def come_back(self, clone):
        """After a cut: inner is what the clone holds. Nobody uses it now."""
        must("umount", str(self.inner))
        self.mounted.remove(self.inner)
        self.image = clone
        self._mount(clone, self.inner)

    def stop(self):
        """Unmounts it all."""
        for place in reversed(self.mounted):
            subprocess.run(["umount", str(place)], capture_output=True, check=False)
