"""The state of an interrupted run of the comparison."""

import sys
from pathlib import Path

from tqdm import tqdm

from sotlib.companion.checkpoints import CheckpointError, load_checkpoint
from sotlib.companion.files import put_aside


def resumed(checkpoint: Path, identity: dict) -> tuple[dict, dict]:
    """Tensors and numbers of a checkpoint, or nothing where there is none of this run.

    One that is damaged or of another run is reported and put aside.
    """
    try:
        tensors, numbers = load_checkpoint(checkpoint)
    except FileNotFoundError:
        return {}, {}
    except CheckpointError as error:
        fault = str(error)
    else:
        if numbers.get("identity") == identity:
            return tensors, numbers
        fault = f"the checkpoint {checkpoint} is of another run"
    tqdm.write(f"{fault}. It is put aside, and this run starts again", file=sys.stderr)
    put_aside(checkpoint)
    return {}, {}
