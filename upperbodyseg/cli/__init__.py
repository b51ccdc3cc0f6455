"""The ``upperbodyseg`` command.

Exit codes: 0 everything done; 1 some pictures could not be read or written (the others are done), or a
video or camera failed; 2 wrong arguments or an extra that is not installed, nothing done; 3 the models or
the runtime failed; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Sequence

import upperbodyseg
from upperbodyseg.cli import (
    batch,
    c_library,
    completion,
    console,
    demo,
    evaluate,
    info,
    segment,
    serve,
    video,
    webcam,
)
from upperbodyseg.errors import InputError, MissingDependencyError, UpperBodySegError, VideoError
from upperbodyseg.models.runtime_log import hide_information

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is returned (argparse exits by itself with 2)."""
    console.prepare()
    parser = argparse.ArgumentParser(
        prog="upperbodyseg",
        description="Cut people out of pictures, on the CPU.",
        epilog="Exit codes: 0 done, 1 some pictures, or a video or camera, failed, 2 wrong arguments or a "
        "missing extra, "
        "3 models or runtime failed, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"upperbodyseg {upperbodyseg.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    segment.add_parser(commands)
    video.add_parser(commands)
    webcam.add_parser(commands)
    evaluate.add_parser(commands)
    demo.add_parser(commands)
    serve.add_parser(commands)
    batch.add_parser(commands)
    c_library.add_parser(commands)
    info.add_parser(commands)
    completion.add_parser(commands, parser)
    args = parser.parse_args(arguments)
    if args.command is None:
        parser.print_help()
        return 2
    # Of damaged metadata Pillow warns; what matters of it is said as an error of the picture.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    warnings.showwarning = console.show_warning
    hide_information()
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except (InputError, MissingDependencyError) as exc:
        console.warn(f"upperbodyseg: {exc}")
        code = 2
    except VideoError as exc:
        console.warn(f"upperbodyseg: {exc}")
        code = 1
    except UpperBodySegError as exc:
        console.warn(f"upperbodyseg: {exc}")
        code = 3
    except BrokenPipeError:
        code = 1  # whoever read the output has left
    except OSError as exc:
        console.warn(f"upperbodyseg: {exc.filename or 'the output'}: {exc.strerror or exc}")
        code = 1
    except KeyboardInterrupt:
        console.warn("\nupperbodyseg: interrupted")
        code = 130
    finally:
        console.finish()
    return code
