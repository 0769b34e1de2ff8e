"""Levers for a Stripe that differs from what anybody has done: an object changed or gone, money
that nobody here has asked for. They tell no events.
"""

from flask import Blueprint, abort
from flask.typing import ResponseReturnValue

from gateway.dev.sandbox.context import Sandbox, Work
from gateway.dev.sandbox.levers import body
from gateway.dev.sandbox.objects import new_id
from gateway.dev.sandbox.store import Object


def add_to(control: Blueprint, sandbox: Sandbox) -> None:
    @control.patch("/objects/<id>")
    def change(id: str) -> ResponseReturnValue:
        """Replace fields of an object, of whatever kind."""
        with sandbox.work() as work:
            obj = _found(work, id)
            wishes = body()
            if strange := wishes.keys() - obj.keys():
                abort(422, f"A {obj['object']} has no {', '.join(sorted(strange))}.")
            return work.tx.put(obj | wishes)

    @control.delete("/objects/<id>")
    def forget(id: str) -> ResponseReturnValue:
        with sandbox.work() as work:
            _found(work, id)
            work.tx.execute("DELETE FROM objects WHERE id = ?", id)
        return {"id": id, "deleted": True}

    @control.post("/objects/<id>/copies")
    def copy(id: str) -> ResponseReturnValue:
        """The same once more under an id of its own, with the given fields replaced."""
        with sandbox.work() as work:
            obj = _found(work, id)
            prefix = "_".join(id.split("_")[:-1]) + "_"
            return work.tx.put(obj | {"id": new_id(prefix)} | body())


def _found(work: Work, id: str) -> Object:
    obj = work.tx.find(id)
    if obj is None:
        abort(404, f"No such object: {id}")
    return obj
