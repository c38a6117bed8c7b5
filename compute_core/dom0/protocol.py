"""How XAPI speaks to a plugin: an XML-RPC call as its only argument, an XML-RPC answer on its standard output.

Our functions take and give JSON: all arguments in ``arguments``, the result as the answer's text. XenServer's own module for this
(``XenAPIPlugin``) is there for Python 2 alone in some releases, so it is not used.
"""

import errno
import json
import xmlrpc.client
from typing import Any, Callable, Dict, List, Mapping, Tuple

from compute_core.dom0.machine import Machine
from compute_core.dom0.refusal import BAD_ARGUMENTS, FAILED, FULL, Arguments, Refusal

Function = Callable[[Machine, Arguments], Any]
_FULL = (errno.ENOSPC, errno.EDQUOT)


def answer(request: str, functions: Mapping[str, Function], machine: Machine) -> str:
    """The XML-RPC response to a call, whatever becomes of it."""
    name = ""
    try:
        name, arguments = _call(request)
        if name not in functions:
            return _response({"Status": "Failure", "ErrorDescription": ["UNKNOWN_XENAPI_PLUGIN_FUNCTION", name]})
        return _response({"Status": "Success", "Value": json.dumps(functions[name](machine, arguments))})
    except Refusal as refusal:
        return _failure(name, refusal.kind, str(refusal))
    except OSError as problem:
        return _failure(name, FULL if problem.errno in _FULL else FAILED, str(problem))
    except Exception as fault:  # noqa: BLE001  # the border of a process: XAPI hands on what went wrong
        return _failure(name, type(fault).__name__, str(fault))


def _call(request: str) -> Tuple[str, Arguments]:
    """The function and its arguments."""
    params, name = xmlrpc.client.loads(request)
    given: Any = params[1] if len(params) > 1 else {}
    try:
        arguments: Any = json.loads(given.get("arguments", "{}"))
    except ValueError as problem:
        raise Refusal(BAD_ARGUMENTS, f"arguments is no JSON: {problem}") from problem
    if not isinstance(arguments, dict):
        raise Refusal(BAD_ARGUMENTS, "arguments is no JSON object")
    return str(name), arguments


def _failure(name: str, kind: str, text: str) -> str:
    described: List[str] = ["XENAPI_PLUGIN_EXCEPTION", name, kind, _printable(text)]
    return _response({"Status": "Failure", "ErrorDescription": described})


def _response(value: Dict[str, Any]) -> str:
    return xmlrpc.client.dumps((value,), methodresponse=True)


def _printable(text: str) -> str:
    """Without the characters that XML cannot carry."""
    return "".join(sign if sign.isprintable() or sign in "\t\n" else "?" for sign in text)
