from kamiyo.kit.secret import Secret


def test_a_secret_is_not_shown() -> None:
    """However it is printed, only stars appear; only ``reveal`` gives the text."""
    secret = Secret("hunter2")
    assert f"{secret} {secret!r} {[secret]}" == "******** ******** [********]"
    assert secret.reveal() == "hunter2"


def test_secrets_compare_by_their_text() -> None:
    """Two equal secrets are one to sets, and a secret never equals its bare text."""
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") != "a"
