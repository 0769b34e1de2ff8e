"""The merchant itself: where its checkout may be embedded."""

from gateway.kernel.ids import is_id

PATH = "/api/v1/merchant"


def change(client, shop, **body):
    return client.patch(PATH, json=body, headers=shop.headers)


def test_a_merchant_reads_itself(client, shop):
    answer = client.get(PATH, headers=shop.headers)

    assert set(answer.json) == {"id", "name", "allowed_origins", "created_at"}
    assert is_id(answer.json["id"], "mer")
    assert (answer.json["name"], answer.json["allowed_origins"]) == ("Test Shop", [])
    assert answer.json["created_at"].endswith("Z")


def test_origins_are_kept_in_the_form_browsers_send(client, shop):
    sent = ["https://shop.example", "http://localhost:3000", "https://[::1]:8443"]

    answer = change(client, shop, allowed_origins=sent)

    assert answer.json["allowed_origins"] == sent
    assert client.get(PATH, headers=shop.headers).json["allowed_origins"] == sent


def test_origins_are_replaced_as_a_whole_and_can_be_emptied(client, shop):
    change(client, shop, allowed_origins=["https://a.example", "https://b.example"])

    assert change(client, shop, allowed_origins=[]).json["allowed_origins"] == []


ORIGINS_THAT_ARE_NONE = [
    "",
    "*",
    "null",
    "shop.example",
    "HTTPS://Shop.Example",
    "//shop.example",
    "https://",
    "https://shop.example/",
    "https://shop.example/path",
    "https://shop.example?x",
    "https://shop.example#x",
    "https://user@shop.example",
    "https://shop.example:0",
    "https://shop.example:99999",
    "https://shop.example:x",
    "https://[::1",
    "https://shop.example\n",
    "ftp://shop.example",
    "javascript:alert(1)",
    f"https://{'a' * 250}.example",
    5,
    None,
]


def test_what_is_no_origin_is_422(client, shop):
    for origin in ORIGINS_THAT_ARE_NONE:
        answer = change(client, shop, allowed_origins=["https://fine.example", origin])
        assert answer.status_code == 422, origin
        assert answer.json["errors"][0]["param"] == "allowed_origins[1]"


def test_an_origin_is_one_host(client, shop):
    """It ends up in a header of its own: blanks and separators would say something else there."""
    odd = ["shop example", "shop.example;x", "*.example", "a,b", "a'b", 'a"b', "a<b"]

    taken = [
        h for h in odd if change(client, shop, allowed_origins=[f"https://{h}"]).status_code == 200
    ]

    assert taken == []


def test_twenty_origins_are_the_most(client, shop):
    many = [f"https://s{n}.example" for n in range(21)]

    assert change(client, shop, allowed_origins=many[:20]).status_code == 200
    assert change(client, shop, allowed_origins=many).status_code == 422


def test_an_empty_change_changes_nothing(client, shop):
    before = client.get(PATH, headers=shop.headers).json

    assert client.patch(PATH, headers=shop.headers).json == before
    assert change(client, shop).json == before


def test_what_is_not_the_merchants_to_change_is_422(client, shop):
    for field in ("id", "name", "created_at", "colour"):
        answer = change(client, shop, **{field: "x"})
        assert (answer.status_code, answer.json["errors"][0]["param"]) == (422, field)
