"""Arrays from an npz that this program wrote, read as if it were hostile: sizes before content, no pickle.

`np.savez` does not compress, so an honest archive holds as many bytes as it declares; one that unpacks to more, an
array whose header promises more than is stored, and arrays of objects are refused before anything is allocated.
"""

import io
import math
import zipfile
import zlib

import numpy as np
from numpy.lib import format as npy

from jaxglass.errors import CheckpointError

LARGEST = 64_000_000_000  # bytes


def read_archive(content: bytes, name: str) -> dict[str, np.ndarray]:
    """Arrays by name of the npz with this `content`; `CheckpointError` beginning with `name` when it is not sound."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            declared = sum(entry.file_size for entry in entries)
            packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
            if packed or declared > min(len(content), LARGEST):
                raise CheckpointError(f"{name}: declares {declared} bytes in a file of {len(content)}; not ours")
            return {entry.filename.removesuffix(".npy"): _array(archive, entry, name) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, KeyError, NotImplementedError) as error:
        raise CheckpointError(f"{name}: not readable ({' '.join(str(error).split())[:200]})") from error
    except (RuntimeError, OverflowError, MemoryError, SyntaxError, TypeError) as error:
        raise CheckpointError(f"{name}: not readable ({type(error).__name__})") from error


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> np.ndarray:
    with archive.open(entry) as file:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read is None:
            raise CheckpointError(f"{name}: {entry.filename} has npy version {version}")
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise CheckpointError(f"{name}: {entry.filename} holds objects, which could run code; refused")
        if math.prod(shape) * dtype.itemsize > entry.file_size:
            raise CheckpointError(f"{name}: {entry.filename} promises shape {shape}, the file holds less")
    with archive.open(entry) as file:
        return npy.read_array(file, allow_pickle=False)
