from nodelog.spool.memory_spool import MemorySpool


def test_a_block_that_is_set_aside_is_dropped_from_memory_and_counted() -> None:
    spool = MemorySpool()
    spool.append([b"bad", b"worse"])
    spool.seal(spool.blocks(spool.stream)[0])
    spool.append([b"good"])
    assert spool.set_aside(spool.stream, "nobody wants it") == "dropped 2 lines: nobody wants it"
    (block,) = spool.blocks(spool.stream)
    assert (spool.read(block), spool.dropped, spool.removed, spool.lines) == (b"good\n", 2, 2, 1)


def test_it_ends_with_the_process_and_has_nothing_to_record() -> None:
    spool = MemorySpool()
    assert not spool.is_persistent
    spool.append([b"a"])
    spool.forget(spool.stream, 1)
    spool.commit_removals()
    spool.sync_removals()
    spool.reopen()
    spool.close()
    assert (spool.lines, spool.removed) == (0, 1)
