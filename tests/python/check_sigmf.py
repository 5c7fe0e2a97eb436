"""What SigMF's own Python package thinks of our files, and files of its making for us.

    check_sigmf.py check FILE...    validates each recording strictly and prints one JSON object per line
    check_sigmf.py make FOLDER      writes FOLDER/theirs (a pair), FOLDER/theirs-archive.sigmf and FOLDER/theirs-two (two
                                    channels)

Needs: pip install sigmf jsonschema packaging (written for sigmf 1.14, SigMF 1.2.6). Exit code 1 and a message on stderr
for a recording that is not valid.
"""

import json
import pathlib
import sys
import tarfile

import jsonschema
import numpy
import sigmf
import sigmf.sigmffile

SCHEMA = json.loads((pathlib.Path(sigmf.__file__).parent / "schema-meta.json").read_text())


def metadata_text(path):
    """The metadata as they stand in the file: the package fills in what is missing when it loads them."""
    if path.suffix == ".sigmf":
        with tarfile.open(path) as archive:
            (name,) = [name for name in archive.getnames() if name.endswith(".sigmf-meta")]
            return archive.extractfile(name).read()
    return path.read_bytes()


def check(path):
    metadata = json.loads(metadata_text(path))
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(SCHEMA, format_checker=checker).validate(metadata)
    declared = {extension["name"] for extension in metadata["global"].get("core:extensions", [])}
    for part in [metadata["global"], *metadata["captures"], *metadata["annotations"]]:
        for key in part:
            namespace = key.split(":")[0]
            if namespace != "core" and namespace not in declared:
                raise ValueError(f"{key}: namespace is not declared in core:extensions")
    # Loading compares core:sha512 with the data.
    recording = sigmf.fromfile(str(path))
    recording.validate()
    if not recording.get_global_field("core:sha512"):
        raise ValueError("core:sha512 is missing")
    # One column a channel where there are several.
    samples = recording.read_samples()
    return {
        "count": len(samples),
        "samples": [[float(s.real), float(s.imag)] for s in samples[:100].flatten()],
        "rate": recording.get_global_field("core:sample_rate"),
        "captures": recording.get_captures(),
        "annotations": recording.get_annotations(),
    }


def make(folder):
    samples = (numpy.arange(1000) + 1j * -numpy.arange(1000)).astype(numpy.complex64)
    data = folder / "theirs.sigmf-data"
    samples.tofile(data)
    recording = sigmf.SigMFFile(
        data_file=str(data),
        global_info={"core:datatype": "cf32_le", "core:sample_rate": 15.36e6, "core:author": "the Python package"},
    )
    recording.add_capture(0, metadata={"core:frequency": 5.92e9, "core:datetime": "2026-11-21T08:30:00.250Z"})
    recording.add_annotation(10, 20, metadata={"core:label": "a label"})
    recording.tofile(str(folder / "theirs.sigmf-meta"))
    recording.archive(str(folder / "theirs-archive.sigmf"))
    data = folder / "theirs-two.sigmf-data"
    numpy.stack([samples, samples + 1000]).T.tofile(data)
    two = sigmf.SigMFFile(
        data_file=str(data),
        global_info={"core:datatype": "cf32_le", "core:sample_rate": 15.36e6, "core:num_channels": 2},
    )
    two.add_capture(0)
    two.add_annotation(10, 20)
    two.tofile(str(folder / "theirs-two.sigmf-meta"))


def main():
    command, *paths = sys.argv[1:]
    if command == "make":
        make(pathlib.Path(paths[0]))
        return
    for path in paths:
        try:
            print(json.dumps(check(pathlib.Path(path))))
        except Exception as error:  # whatever the package finds wrong
            sys.exit(f"{path}: {type(error).__name__}: {error}")


main()
