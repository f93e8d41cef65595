"""The broken promises: number -> (what, (row, part of its amounts), edits)."""

CHECK = "store/redis_check.c"
WANTED = "strcmp(value, rules[i].wanted) == 0"
ASKS_WHY = (
    "store/redis_fresh.c",
    "if (f->confirmed >= f->asked && linked == f->linked)",
    "if (f->confirmed >= c->conf->confirm_replicas)",
)

MUTANTS = {
    1: (
        "answers before the WAIT",
        ("S3", 0.2),
        [
            (
                "store/redis_op.c",
                "if (err == ERR_OK && op->needs_wait) {",
                "if (err == ERR_OK && op->needs_wait && op->is_wait) {",
            ),
            # And goes on meanwhile.
            (
                "store/redis_op.c",
                "if (c->is_waiting)\n\t\treturn;\n\tlooks_release(c);",
                "looks_release(c);",
            ),
        ],
    ),
    2: (
        "ignores what WAIT counted",
        ("S3", 0.2),
        [
            (
                CHECK,
                "reply->integer >= (long long)c->conf->confirm_replicas;",
                "reply->integer >= (long long)c->conf->confirm_replicas * 0;",
            ),
            (
                "store/redis_fresh.c",
                "reply->type == REDIS_REPLY_INTEGER ? (uint64_t)reply->integer : 0;",
                "reply->type == REDIS_REPLY_INTEGER ? c->fresh.asked : 0;",
            ),
        ],
    ),
    3: (
        "loses what is between a pop and its record",
        ("F1", 0.05),
        [
            (
                "store/lua/take.lua",
                "if taken > 0 then\n\tcall('ZADD', base .. 'doing'",
                "if taken > 0 and now % 10 > 0 then\n\tcall('ZADD', base .. 'doing'",
            )
        ],
    ),
    4: (
        "takes a finish from who does not hold the task",
        ("F9", 0.5),
        [("store/lua/report.lua", "elseif holder_of(h) ~= worker then", "elseif false then")],
    ),
    5: (
        "takes leases back at once after an outage",
        ("F8", 0.3),
        [
            (
                "store/lua/reclaim.lua",
                "if now >= back + math.min(ARGV[8], late[i + 1] - taken) then",
                "if true then",
            )
        ],
    ),
    6: (
        "lets leases run on during an outage",
        ("F8", 0.3),
        [
            (
                "store/lua/reclaim.lua",
                "'ZRANGEBYSCORE', doing, '(' .. away, back, 'WITHSCORES'",
                "'ZRANGEBYSCORE', doing, '(' .. back, back, 'WITHSCORES'",
            )
        ],
    ),
    7: (
        "forgets finished ids",
        ("F1", 0.1),
        [
            (
                "store/lua/report.lua",
                "call('HSET', base .. 'task', unpack(values))",
                "call('HDEL', base .. 'task', unpack(done))",
            )
        ],
    ),
    8: (
        "does not count an attempt whose worker fell silent",
        ("F9", 0.5),
        [("store/lua/reclaim.lua", "call('HSET', base .. 'retry', unpack(used))", "")],
    ),
    14: (
        "extends a lease for who does not hold it",
        ("F9", 0.5),
        [
            (
                "store/lua/extend.lua",
                "if h and h:match(' (.*)') == ARGV[3] then",
                "if h then",
            )
        ],
    ),
    15: (
        "takes appendfsync everysec for a disk",
        ("S7", 1),
        [(CHECK, WANTED, f'({WANTED} || strcmp(value, "everysec") == 0)')],
    ),
    16: (
        "goes on when the append-only file is switched off",
        ("S7", 1),
        [
            (CHECK, WANTED, f'({WANTED} || strcmp(rules[i].name, "appendonly") == 0)'),
            # The other look at it, for one that is switched on.
            (CHECK, ' || strcmp(appendonly, "yes") != 0;', ";"),
        ],
    ),
    17: (
        "goes on with a master that was away",
        ("S5", 1),
        [
            ("store/redis_fresh.c", "if (gap_us > f->limit_us) {", "if (f->limit_us < 0) {"),
            ASKS_WHY,
        ],
    ),
    18: (
        "does not ask why a replica left",
        ("S9", 1),
        [ASKS_WHY],
    ),
    19: (
        "forgets over a restart which Redis it was",
        ("S10", 1),
        [
            (
                "store/known.c",
                "ok = facts_read(f, p, (struct span){text, len});",
                "ok = facts_read(f, p, (struct span){text, len}) &&"
                " (f->generation[0] = '\\0') == '\\0';",
            )
        ],
    ),
    20: (
        "goes on to a new batch whether one is through or not",
        ("R1", 0.5),
        [
            (
                "store/lua/relay.lua",
                "if ARGV[6] ~= '' and tonumber(ARGV[6]) == number then",
                "if true then",
            )
        ],
    ),
    21: (
        "opens the copy of a queue that is where it was",
        ("R2", 0.5),
        [("store/moved.c", 'span_is(word, "gone") ? "open" : "discard",', '"open",')],
    ),
}
