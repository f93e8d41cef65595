"""http/openapi.json against the code: routes, fields of bodies, ranges of
the policy, errors, and that its references lead somewhere."""

import json
import re

from _common import both_ways, finish, no_comments, text

ROUTE = re.compile(
    r'\{METHOD_(\w+),\s*"([^"]+)",\s*(\w+),\s*ROLE_(\w+),\s*SCOPE_(\w+),\s*[^,]+,'
    r'\s*"([^"]*)",\s*"([^"]*)"\}'
)
ERROR = re.compile(r'^E\(\s*(\d+), (\w+),\s*(\d+),', re.M)
TABLE = re.compile(r"struct body_field (\w+)\[\] = \{(.*?)\n\};", re.S)
FIELD = re.compile(r'\{"(\w+)",\s*\w+,\s*(true|false)\}')
POLICY = re.compile(r'\{"(\w+)",\s*POLICY_(\w+),\s*AT\((\w+)\),\s*(.*?),\s*(.*?)\},')
SETTING = re.compile(
    r'^C\(queue,\s*\w+,\s*\w+,\s*conf_queue, policy\.(\w+),'
    r'\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)",',
    re.M,
)
UNITS = {"": 1, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
SIZES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

# Which schema describes what a table of fields reads.
SCHEMAS = {
    "push_fields": ("Task",),
    "list_fields": ("PushList",),
    "take_fields": ("Take",),
    "report_fields": ("Report",),
    "extend_fields": ("Extend",),
    "set_fields": ("RetrySet", "PurgeSet"),
    "move_fields": ("MoveTo",),
    "policy_fields": ("QueueChange",),
    "beat_fields": ("Heartbeat",),
    "token_fields": ("TokenNew",),
    "rows_fields": ("RowsList",),
    "row_fields": ("BadEdit",),
    "channel_fields": ("ChannelChange",),
    "bad_fields": ("BadSet",),
    "encrypt_fields": ("Encrypt",),
    "decrypt_fields": ("Decrypt",),
    "context_fields": ("FieldsContext",),
    "finished_fields": (),  # within Take and Report, checked below
    "failed_fields": (),
}


def references(value):
    """Every $ref of a part of the document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(document, ref):
    for part in ref.removeprefix("#/").split("/"):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def check_references(document):
    used = set(references(document))
    for ref in sorted(used):
        if not ref.startswith("#/") or resolve(document, ref) is None:
            yield f"{ref} leads nowhere"
    for kind, parts in document["components"].items():
        for name in parts:
            if f"#/components/{kind}/{name}" not in used:
                yield f"components/{kind}/{name} is not used"


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


def parameter_names(document, operation, place):
    found = (resolve(document, p["$ref"]) for p in operation.get("parameters", []))
    return [p["name"] for p in found if p["in"] == place]


def check_route(document, operation, row):
    method, path, handler, role, scope, query, doc = row
    facts = {
        "operationId": (operation["operationId"], handler.removeprefix("api_")),
        "summary": (operation["summary"], doc),
        "x-role": (operation["x-role"], role.lower()),
        "x-queues": (operation["x-queues"], scope.lower()),
        "query": (",".join(parameter_names(document, operation, "query")), query),
        "path parameters": (
            parameter_names(document, operation, "path"),
            re.findall(r"\{(\w+)\}", path),
        ),
        "body": (
            "requestBody" in operation,
            method in ("POST", "PUT", "PATCH"),
        ),
    }
    for what, (described, coded) in facts.items():
        if described != coded:
            yield f"{method} {path}: {what}: {described!r}, in the code {coded!r}"
    if not any(status.startswith("2") for status in operation["responses"]):
        yield f"{method} {path}: no success is described"


def check_routes(document, rows):
    described = dict(operations(document))
    coded = {f"{row[0]} {row[1]}": row for row in rows}
    yield from both_ways(set(coded), "http/routes.c", set(described), "openapi.json")
    for key in sorted(set(coded) & set(described)):
        yield from check_route(document, described[key], coded[key])


def check_errors(document):
    table = {
        f"E{int(number):03} {name}": status
        for number, name, status in ERROR.findall(no_comments("core/err.def"))
    }
    for key, operation in operations(document):
        for status, response in operation["responses"].items():
            if not status.startswith(("4", "5")):
                continue
            for name in response["description"].split(", "):
                if table.get(name) != status:
                    yield f"{key}: {status} {name} is not in core/err.def"


def tables():
    """{table: {field: required}} of all body_*.c."""
    found = {}
    for stem in ("push", "work", "set", "policy", "beat", "token", "rows", "channel", "crypt"):
        for name, rows in TABLE.findall(no_comments(f"http/body_{stem}.c")):
            found[name] = {f: r == "true" for f, r in FIELD.findall(rows)}
    return found


def fields_of(schema):
    required = schema.get("required", [])
    return {name: name in required for name in schema["properties"]}


def check_bodies(document):
    schemas, found = document["components"]["schemas"], tables()
    yield from both_ways(set(found), "http/body_*.c", set(SCHEMAS), "this check")
    for table in sorted(set(found) & set(SCHEMAS)):
        for name in SCHEMAS[table]:
            if fields_of(schemas[name]) != found[table]:
                yield f"{name}: other fields than {table}"
    for owner in ("Take", "Report"):
        for part in ("finished", "failed"):
            items = schemas[owner]["properties"][part]["items"]["oneOf"]
            if fields_of(items[1]) != found[f"{part}_fields"]:
                yield f"{owner}.{part}: other fields than {part}_fields"


def number(words):
    """The value of an expression of the table in http/body_policy.c."""
    product = 1
    for factor in words.replace("DAY_MS", "86400000").split("*"):
        product *= int(factor)
    return product


def setting(words):
    """The value of a time, size or number of core/conf.def."""
    digits, unit = re.fullmatch(r"(\d+)(\w*)", words).groups()
    return int(digits) * (SIZES | UNITS)[unit]


def check_policy(document):
    schemas = document["components"]["schemas"]
    rows = POLICY.findall(no_comments("http/body_policy.c"))
    settings = {
        field: [setting(words) for words in rest]
        for field, *rest in SETTING.findall(no_comments("core/conf.def"))
    }
    yield from both_ways(
        {row[2] for row in rows}, "http/body_policy.c", set(settings), "core/conf.def"
    )
    for name, kind, field, least, most in rows:
        scale = 1000 if kind == "TIME" else 1
        fallback, *bounds = settings.get(field, [None])
        if bounds != [number(least), number(most)]:
            yield f"{name}: other bounds than {field} of core/conf.def"
        for schema in ("Policy", "QueueChange"):
            said = schemas[schema]["properties"][name]
            if [said["minimum"] * scale, said["maximum"] * scale] != bounds:
                yield f"{schema}.{name}: other bounds than core/conf.def"
        if schemas["Policy"]["properties"][name]["default"] * scale != fallback:
            yield f"Policy.{name}: another default than core/conf.def"


def check_levels(document):
    """What may change at run time: the log's levels, by component."""
    names = re.findall(r"^L\((\w+),", no_comments("core/log.def"), re.M)
    known = {"log.level"} | {f"log.{name}" for name in names}
    described = set(document["components"]["schemas"]["LevelChange"]["properties"])
    yield from both_ways(known, "core/log.def", described, "LevelChange")


def check_page(document):
    """docs/api.md has a row for each field that a request may have."""
    page = text("docs/api.md")
    said = {cell.split(".")[-1] for cell in re.findall(r"`([\w.\[\]]+)`", page)}
    schemas = document["components"]["schemas"]
    for name in sorted({name for row in SCHEMAS.values() for name in row}):
        for field in schemas[name]["properties"]:
            if field not in said:
                yield f"{name}.{field} is not in docs/api.md"
    for _, operation in operations(document):
        for name in parameter_names(document, operation, "query"):
            if name not in said:
                yield f"query {name} is not in docs/api.md"


def check_version(document):
    match = re.search(r"project\(schedd VERSION (\S+)", text("CMakeLists.txt"))
    if document["info"]["version"] != match.group(1):
        yield f"version {document['info']['version']}, in CMakeLists.txt {match.group(1)}"


def main():
    document = json.loads(text("http/openapi.json"))
    rows = ROUTE.findall(no_comments("http/routes.c"))
    findings = []
    if no_comments("http/routes.c").count("{METHOD_") != len(rows):
        findings.append("http/routes.c holds a row that is not understood")
    findings += check_routes(document, rows)
    findings += check_references(document)
    findings += check_errors(document)
    findings += check_bodies(document)
    findings += check_policy(document)
    findings += check_levels(document)
    findings += check_page(document)
    findings += check_version(document)
    finish(findings, len(rows))


main()
