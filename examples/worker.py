import http.client, json, os, random, time, urllib.request, uuid
QUEUE = os.environ.get("QUEUE", "http://127.0.0.1:7070/v1/queues/mail")
def call(verb, **body):
    body["worker"], wait = f"example-{os.getpid()}", 0.5
    data = json.dumps(body).encode()
    while True:  # the same again until it is answered, later each time
        try:
            return json.load(urllib.request.urlopen(f"{QUEUE}/{verb}", data, timeout=70))
        except (OSError, http.client.HTTPException) as error:
            if getattr(error, "code", 503) not in (408, 429, 503, 504, 507):
                raise
        time.sleep(random.uniform(wait / 2, wait))
        wait = min(2 * wait, 30)

while True:
    asked = uuid.uuid4().hex  # so that a take is not done twice
    for task in call("take", count=1, wait_s=30, lease_s=300, request_id=asked)["tasks"]:
        try:
            print(task["id"], task["payload"], flush=True)  # the work
            report = {"finished": [task["id"]]}
        except Exception as error:
            report = {"failed": [{"id": task["id"], "error": str(error)}]}
        call("report", **report)
