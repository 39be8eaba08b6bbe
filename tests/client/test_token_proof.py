from nodelog.token_proof import agent_proof, new_nonce, reader_proof


def test_each_proof_is_of_its_token_its_side_and_both_nonces() -> None:
    proofs = {
        prove(token, reader, agent)
        for prove in (agent_proof, reader_proof)
        for token in (b"one", b"two")
        for reader in ("a", "b")
        for agent in ("a", "b")
    }
    assert len(proofs) == 16


def test_a_nonce_is_never_the_same() -> None:
    assert len({new_nonce() for _ in range(100)}) == 100
