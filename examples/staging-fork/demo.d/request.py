#!/usr/bin/env python3
"""Sends one order to the storefront and asks for it until the worker's result shows; then asks the recommender.

    request.py STOREFRONT_URL RECOMMENDER_URL

Prints requests and answers. Fails if an answer is not what it should be, or does not come within a minute.
"""

import json
import sys
import time
import urllib.error
import urllib.request

ORDER = {"item": "tent", "quantity": 2, "email": "you@example.com"}
PATIENCE = 60

# Nothing of the environment's proxies: the addresses are this machine's.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, url, body=None):
    """One request, tried again while nothing listens yet; returns the decoded answer."""
    deadline = time.monotonic() + PATIENCE
    data = None if body is None else json.dumps(body).encode()
    while True:
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        try:
            with OPENER.open(request, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {url} answered {error.code}: {error.read().decode(errors='replace').strip()}")
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"{method} {url} does not answer: {error}")
            time.sleep(0.5)


def show(method, url, body, answer):
    print(f"\n{method} {url}" + ("" if body is None else f"\n{json.dumps(body)}"))
    print(json.dumps(answer, indent=2))


def main():
    storefront, recommender = (url.rstrip("/") for url in sys.argv[1:])
    placed = ask("POST", f"{storefront}/orders", ORDER)
    show("POST", f"{storefront}/orders", ORDER, placed)
    if placed["payments"] != "test":
        sys.exit("the fork holds production's payment key: its orders would charge real cards")

    url = f"{storefront}/orders/{placed['id']}"
    deadline = time.monotonic() + PATIENCE
    while not (order := ask("GET", url))["dynamodb"]:
        if time.monotonic() > deadline:
            sys.exit(f"the worker has not handled the order after {PATIENCE} s; last answer: {json.dumps(order)}")
        time.sleep(0.3)
    show("GET", url, None, order)
    expected = {
        "postgresql": ORDER,
        "dynamodb": {key: str(value) for key, value in ORDER.items()}
        | {"order_id": placed["id"], "status": "processed"},
        "s3": {"key": placed["receipt"], "genuine": True},
    }
    for place, value in expected.items():
        if order[place] != value:
            sys.exit(f"{place} should say {json.dumps(value)}")

    url = f"{recommender}/recommendations?item={ORDER['item']}"
    answer = ask("GET", url)
    show("GET", url, None, answer)
    if not answer["recommendations"]:
        sys.exit("the recommender has nothing to recommend")
    print()


if __name__ == "__main__":
    main()
