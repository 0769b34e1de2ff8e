"""Pulls what no callback brought, into the same database. Run it after an outage, or by the clock.

It remembers how far it has pulled itself: below the highest number that a callback has brought
there may still be gaps.
"""

from contextlib import closing

import inbox


def catch_up() -> int:
    """How many events were new."""
    with closing(inbox.connect()) as db:
        (after,) = db.execute("SELECT coalesce(max(after), 0) FROM pulled").fetchone()
        new, more = 0, True
        while more:
            page = inbox.ask(f"/api/v1/events?after={after}&limit=100")
            new += sum(inbox.store(event["id"], event) for event in page["data"])
            after, more = page["next_after"], page["has_more"]
            with db:  # after the events: should this be lost, they come again and are known
                db.execute("INSERT OR REPLACE INTO pulled VALUES (1, ?)", (after,))
    return new


if __name__ == "__main__":
    print(f"{catch_up()} new events")
