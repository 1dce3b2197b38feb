"""The native plane under AddressSanitizer and UndefinedBehaviorSanitizer, and under ThreadSanitizer.

`python -m tests.sanitized memory COMMAND…` compiles the extension once more, into a place of its own
(`build.py`), and runs a Python command with it: `-m pytest -p tests.sanitized.plugin …` or `-m tests.fuzz`.
In that process `loader.py` puts it where the ordinary one would be; `plugin.py` has pytest do so and looks
for leaks. Compiled in besides the sanitizers: `nonces.c` looks at everything that is encrypted, `edges.c`
tells a fuzzer what is new. `proof.py` shows that each of them sees what it should.

`threads` in place of `memory`, with `-p tests.sanitized.races`, looks for threads that touch the same thing
at the same time.
"""
