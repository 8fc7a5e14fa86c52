"""On the host: whether the phone outside the guest heard the visitor's tone."""

import sys

import tone

UP = 700

try:
    measured, good, limit = tone.judge(sys.argv[1], UP)
except (OSError, EOFError) as error:
    measured, good, limit = error, False, ""
print(f"VM-ROW|sound|{UP} Hz from the microphone to the phone|{measured}|{limit}|{'ok' if good else 'FAILED'}")
