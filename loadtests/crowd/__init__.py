"""Viewers by the thousand in one process: real ICE, real DTLS, reports; most drop their media in the kernel.

`viewer.py` is one of them, `crowd.py` all of them, `__main__.py` the process, `driver.py` the other end of
its pipe; `kernel.py` is how a viewer costs nothing while it is being sent to, `line.py` how one loses packets
and `reception.py` what it says about that.
"""
