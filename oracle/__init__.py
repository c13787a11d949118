"""npnet's network, seeds and runs in torch, differentiated by autograd: the reference for npnet.

``lines``, ``whole`` and ``replay`` take only names, recipes and error classes from npnet, so that
they cannot share its mistakes. The library does not change ``torch.set_num_threads`` or any other
setting of torch; commands restore the settings that they change.
"""

import gc
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oracle.own_lines import lines_of as lines_of

WITHOUT_TORCH = "torch is not installed, wanted 2.7 or newer: pip install 'npnet[oracle]'"

# Importing torch makes some 250,000 objects that stay. The garbage collector would go through them
# all several times: a quarter of the time of a short command.
_first, _collects = "torch" not in sys.modules, gc.isenabled()
if _first:
    gc.disable()
try:
    from oracle.lines import cut as cut
    from oracle.replay import Replay as Replay
    from oracle.replay import replay as replay
    from oracle.whole import whole as whole
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise

    # Raised when a name is used, not at import: the command line imports this package first, and
    # prints the message without a traceback.
    def __getattr__(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module 'oracle' has no attribute {name!r}")
        raise ModuleNotFoundError(f"oracle: {WITHOUT_TORCH}", name="torch")

else:

    def __getattr__(name: str) -> Any:
        # this module needs npnet's stand-in for torch, which other uses do not need
        if name == "lines_of":
            from oracle.own_lines import lines_of

            return lines_of
        raise AttributeError(f"module 'oracle' has no attribute {name!r}")

finally:
    if _first:
        gc.freeze()
    if _collects:
        gc.enable()
