"""Runs a command and tells what it took: `measure.py COMMAND …` prints JSON with its end, time and highest memory."""

import json
import resource
import subprocess
import sys
import time

begin = time.monotonic()
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(
    json.dumps(
        {
            "code": done.returncode,
            "stdout": done.stdout.decode(),
            "stderr": done.stderr.decode(),
            "seconds": time.monotonic() - begin,
            # Linux counts in KiB.
            "peak_mib": used.ru_maxrss / 1024,
        }
    )
)
