"""The stack that teams start from: Flask, gunicorn with four gevent workers,
redis-py, and one Redis command after the other."""

import os
import time

import redis
from flask import Flask, jsonify, request

app = Flask(__name__)
store = redis.Redis(port=int(os.environ["REDIS_PORT"]), decode_responses=True)


@app.post("/push")
def push():
    task = request.get_json()
    store.hset("tasks", task["id"], task["content"])
    store.rpush("todo", task["id"])
    return jsonify(ok=True)


@app.post("/push_many")
def push_many():
    tasks = request.get_json()
    pipe = store.pipeline(transaction=False)
    for task in tasks:
        pipe.hset("tasks", task["id"], task["content"])
        pipe.rpush("todo", task["id"])
    pipe.execute()
    return jsonify(ok=True, count=len(tasks))


@app.get("/fetch")
def fetch():
    out = []
    for _ in range(int(request.args.get("count", 500))):
        task_id = store.lpop("todo")
        if task_id is None:
            break
        store.sadd("doing", task_id)
        store.hincrby("retry", task_id, 1)
        store.hset("date", task_id, int(time.time()))
        out.append({"id": task_id, "content": store.hget("tasks", task_id)})
    return jsonify(out)


@app.post("/finish")
def finish():
    ids = request.get_json()
    for task_id in ids:
        store.srem("doing", task_id)
        store.sadd("finish", task_id)
    return jsonify(ok=True, count=len(ids))


# Each worker imports this file once; who starts them waits for these lines.
print("flask_app: worker ready", flush=True)
