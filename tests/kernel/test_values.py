"""Ids, money, texts and seals: small rules without a database."""

import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from cryptography.exceptions import InvalidTag
from marshmallow import Schema, ValidationError

from gateway.kernel import fields, seal
from gateway.kernel.bodies import MAX_DEPTH, parse
from gateway.kernel.errors import Unparsable, all_errors
from gateway.kernel.ids import PREFIXES, is_id, new_id
from gateway.kernel.money import (
    CURRENCIES,
    MAX_AMOUNT,
    THREE_DECIMAL,
    WHOLE_UNITS_ONLY,
    ZERO_DECIMAL,
    Amount,
    Currency,
    check_money,
)
from gateway.settings import settings


class Sample(Schema):
    amount = Amount()
    currency = Currency()
    metadata = fields.Metadata()
    text = fields.Text(longest=5)
    at = fields.Time()


def load(**data):
    return Sample().load(data)


def refused(**data):
    with pytest.raises(ValidationError) as error:
        load(**data)
    return error.value.messages


# Ids.


@pytest.mark.parametrize("prefix", PREFIXES)
def test_an_id_is_its_prefix_and_26_signs(prefix):
    made = new_id(prefix)

    assert re.fullmatch(rf"{prefix}_[0-9a-hjkmnp-tv-z]{{26}}", made)
    assert is_id(made)
    assert is_id(made, prefix)
    assert not is_id(made, "run" if prefix != "run" else "pay")


def test_ids_sort_by_birth():
    ids = []
    for _ in range(20):
        ids.append(new_id("pay"))
        time.sleep(0.002)

    assert ids == sorted(ids)


def test_ids_of_one_moment_differ():
    assert len({new_id("pay") for _ in range(5000)}) == 5000


def test_an_id_remembers_its_millisecond():
    before = time.time_ns() // 1_000_000
    number = 0
    for sign in new_id("pay").removeprefix("pay_"):
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(sign)

    assert before <= number >> 80 <= before + 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pay_",
        "pay_" + "0" * 25,
        "pay_" + "0" * 27,
        "pay_" + "0" * 26 + "\n",
        " pay_" + "0" * 26,
        "pay_" + "O" * 26,
        "pay_" + "l" * 26,
        "PAY_" + "0" * 26,
        "xyz_" + "0" * 26,
        "pay-" + "0" * 26,
        "req_" + "0" * 26,
        "0" * 26,
    ],
)
def test_what_only_looks_like_an_id_is_none(text):
    assert not is_id(text)


# Money.


@pytest.mark.parametrize("value", [1, 100, 1999, MAX_AMOUNT])
def test_an_amount_is_an_integer_of_minor_units(value):
    assert load(amount=value) == {"amount": value}


@pytest.mark.parametrize(
    "value",
    [0, -1, MAX_AMOUNT + 1, True, False, "100", 100.0, 19.99, "１２３", [], {}, None, 2**63],  # noqa: RUF001
)
def test_everything_else_is_no_amount(value):
    assert "amount" in refused(amount=value)


def test_a_currency_comes_in_any_case_and_goes_out_upper():
    assert [load(currency=code)["currency"] for code in ("eur", "Inr", "USD")] == [
        "EUR",
        "INR",
        "USD",
    ]


@pytest.mark.parametrize(
    "value",
    ["", "US", "usdd", "XXX", "u$d", "ＵＳＤ", "uſd", "ıNR", "eur\n", " eur", 978, True],  # noqa: RUF001
)
def test_everything_else_is_no_currency(value):
    assert "currency" in refused(currency=value)


@pytest.mark.parametrize("value", [["EUR"], {"code": "EUR"}])
def test_a_currency_that_is_no_text_is_refused_and_no_fault_of_ours(value):
    assert "currency" in refused(currency=value)


def test_the_exponents_are_stripes():
    assert {"JPY", "KRW", "CLP", "VND"} <= ZERO_DECIMAL
    assert {"BHD", "KWD", "JOD", "OMR", "TND"} == THREE_DECIMAL
    assert {"ISK", "UGX"} == WHOLE_UNITS_ONLY
    assert not ZERO_DECIMAL & THREE_DECIMAL
    assert all(re.fullmatch("[A-Z]{3}", code) for code in CURRENCIES)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [(1000, "JPY"), (1, "JPY"), (1, "EUR"), (1010, "BHD"), (5000, "UGX"), (100, "ISK")],
)
def test_what_can_be_charged_exactly_is_fine(amount, currency):
    check_money(amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency"), [(1001, "BHD"), (5, "KWD"), (150, "UGX"), (1, "ISK")]
)
def test_what_cannot_be_charged_exactly_is_refused(amount, currency):
    with pytest.raises(ValidationError, match=currency):
        check_money(amount, currency)


# Texts.


@pytest.mark.parametrize("text", ["a", "12345", "👩‍🚀🚀🚀", "عربي", "a‮b", "<b>", "=1+1", "{{7}}"])
def test_a_text_counts_signs_not_bytes(text):
    assert load(text=text) == {"text": text}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "123456",
        "👩‍🚀🚀🚀🚀",
        "a\nb",
        "a\rb",
        "\0",
        "\t",
        "\x7f",
        "\x85",
        "\ud800",
        5,
        None,
    ],
)
def test_a_text_that_others_could_choke_on_is_refused(text):
    assert "text" in refused(text=text)


def test_metadata_fits_its_limits_exactly():
    full = {f"{n:0>40}": "🚀" * 500 for n in range(50)}
    assert load(metadata=full) == {"metadata": full}
    assert load(metadata={"empty": ""}) == {"metadata": {"empty": ""}}
    assert load(metadata={}) == {"metadata": {}}


@pytest.mark.parametrize(
    "metadata",
    [
        {f"k{n}": "v" for n in range(51)},
        {"k" * 41: "v"},
        {"": "v"},
        {"k": "v" * 501},
        {"k": "a\nb"},
        {"k": "\0"},
        {"k\0": "v"},
        {"k": "\ud800"},
        {"\ud800": "v"},
        {"k": 1},
        {"k": None},
        {"k": ["v"]},
        {"k": {"a": "b"}},
        [],
        "k=v",
    ],
)
def test_metadata_beyond_its_limits_is_refused(metadata):
    assert "metadata" in refused(metadata=metadata)


def test_an_unknown_field_is_refused_by_every_strict_schema():
    assert fields.Strict.Meta.unknown == "raise"
    with pytest.raises(ValidationError, match="known are: limit, starting_after"):
        fields.PageQuery().load({"colour": "red"})


# Bodies.


def test_a_body_may_be_as_deep_as_the_limit():
    sound = '{"a":' * MAX_DEPTH + "1" + "}" * MAX_DEPTH
    assert parse(sound.encode())
    with pytest.raises(Unparsable, match="nested"):
        parse(('{"a":' + sound + "}").encode())


def test_numbers_of_forty_digits_can_be_read():
    assert parse(b'{"a": ' + b"9" * 40 + b"}") == {"a": 10**40 - 1}


# Errors.


def test_every_error_says_its_status_code_and_what_to_do():
    errors = all_errors()
    assert len({error.code for error in errors}) == len(errors)
    for error in errors:
        assert re.fullmatch("[a-z_]+", error.code)
        assert error.status in (400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503)
        assert error.title.endswith((".", "?"))
        assert error.__doc__


# Seals.


def flipped(sealed, place):
    raw = bytearray(urlsafe_b64decode(sealed))
    raw[place] ^= 1
    return urlsafe_b64encode(bytes(raw)).decode()


@pytest.mark.parametrize("text", ["whsec_x", "", "ключ 🗝"])
def test_what_was_sealed_opens_for_its_own_row(text):
    assert seal.unseal(seal.seal(text, bound_to="t:1"), bound_to="t:1") == text


def test_a_seal_hides_its_text_and_never_repeats_itself():
    first, second = (seal.seal("whsec_secret", bound_to="t:1") for _ in range(2))

    assert first != second
    assert b"whsec" not in urlsafe_b64decode(first)


def test_a_sealed_text_does_not_open_for_another_row():
    with pytest.raises(InvalidTag):
        seal.unseal(seal.seal("x", bound_to="t:1"), bound_to="t:2")


@pytest.mark.parametrize("place", [0, 12, -1], ids=["nonce", "text", "tag"])
def test_a_tampered_seal_does_not_open(place):
    with pytest.raises(InvalidTag):
        seal.unseal(flipped(seal.seal("secret", bound_to="t:1"), place), bound_to="t:1")


def test_another_secret_key_opens_and_derives_nothing_of_ours(monkeypatch):
    sealed, derived = seal.seal("x", bound_to="t:1"), seal.derive("purpose", "text")
    monkeypatch.setenv("GATEWAY_SECRET_KEY", "another-secret-key-0123456789abcdefgh")
    settings.cache_clear(), seal._cipher.cache_clear()
    try:
        assert seal.derive("purpose", "text") != derived
        with pytest.raises(InvalidTag):
            seal.unseal(sealed, bound_to="t:1")
    finally:
        monkeypatch.undo()
        settings.cache_clear(), seal._cipher.cache_clear()


def test_what_is_derived_is_the_same_again_and_another_for_each_purpose():
    assert seal.derive("a", "text") == seal.derive("a", "text")
    assert len(seal.derive("a")) == 32
    assert (
        len({seal.derive("a", "b"), seal.derive("b", "a"), seal.derive("ab"), seal.derive("a")})
        == 4
    )
