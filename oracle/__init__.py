"""The judge of npnet: the same network, seeds and runs in torch, differentiated by autograd.

The library modules here take nothing from npnet but names, recipes and error classes, so that
they cannot share its mistakes. They leave ``torch.set_num_threads`` and every other setting of
torch as the caller has them.
"""

try:
    from oracle.lines import cut as cut
    from oracle.replay import Replay as Replay
    from oracle.replay import replay as replay
    from oracle.whole import whole as whole
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        "oracle: torch is not installed, wanted 2.3 or newer: pip install 'npnet[oracle]'",
        name="torch",
    ) from None
