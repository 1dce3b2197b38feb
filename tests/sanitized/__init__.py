"""The plane under AddressSanitizer and UndefinedBehaviorSanitizer; it and SRT's inbox under ThreadSanitizer.

`python -m tests.sanitized memory COMMAND…` compiles extensions once more, into a place of their own
(`build.py`), and runs a Python command with them: `-m pytest -p tests.sanitized.plugin …` or `-m tests.fuzz`.
In that process `loader.py` puts them where the ordinary ones would be; `plugin.py` has pytest do so and looks
for leaks. Compiled in besides the sanitizers: `nonces.c` looks at everything that is encrypted, `edges.c`
tells a fuzzer what is new, `shortage.c` has allocations fail for it. `proof.py` shows that each of them
sees what it should.

`threads` in place of `memory`, with `-p tests.sanitized.races`, looks for threads that touch the same thing
at the same time.
"""
