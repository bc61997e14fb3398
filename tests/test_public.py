import masklens


def test_the_public_names_are_sorted_and_all_there():
    # As ruff sorts: constants, classes, the rest.
    key = lambda n: (not n.isupper(), n.startswith("_"), n)  # noqa: E731
    assert masklens.__all__ == sorted(masklens.__all__, key=key)
    for name in masklens.__all__:
        assert getattr(masklens, name) is not None


def test_every_error_is_public():
    from masklens import errors

    names = {n for n, v in vars(errors).items() if isinstance(v, type)}
    assert names <= set(masklens.__all__)
