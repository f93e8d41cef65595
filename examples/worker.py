import json, os, urllib.request
QUEUE = os.environ.get("QUEUE", "http://127.0.0.1:7070/v1/queues/mail")
def call(verb, **body):
    body["worker"] = f"example-{os.getpid()}"
    data = json.dumps(body).encode()
    return json.load(urllib.request.urlopen(f"{QUEUE}/{verb}", data, timeout=70))

while True:
    for task in call("take", count=1, wait_s=30, lease_s=300)["tasks"]:
        try:
            print(task["id"], task["payload"], flush=True)  # the work
            report = {"finished": [task["id"]]}
        except Exception as error:
            report = {"failed": [{"id": task["id"], "error": str(error)}]}
        call("report", **report)
