// BullMQ's own library is part of what its users get, so it drives itself.
// usage: node peer.mjs push|work PORT COUNT CONCURRENCY BATCH
// Prints when it began and ended, in seconds of the monotonic clock: two of
// these at once are timed by the earlier begin and the later end.
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';

const mode = process.argv[2];
const [port, count, concurrency, batch] = process.argv.slice(3).map(Number);
const options = { removeOnComplete: true, removeOnFail: true };
const head = '{"url":"http://127.0.0.1/item/000000000","pad":"';
const payload = head + 'x'.repeat(198 - head.length) + '"}';
const connect = () => ({
	connection: new Redis({ host: '127.0.0.1', port, maxRetriesPerRequest: null }),
});
const now = () => Number(process.hrtime.bigint()) / 1e9;

async function push() {
	const queue = new Queue('bench', connect());
	await queue.waitUntilReady();
	const began = now();
	let left = count;
	const producer = async () => {
		while (left > 0) {
			const n = Math.min(batch, left);
			left -= n;
			await queue.addBulk(Array.from({ length: n }, () => (
				{ name: 'task', data: { payload }, opts: options })));
		}
	};
	await Promise.all(Array.from({ length: concurrency }, producer));
	return began;
}

async function work() {
	const began = now();
	let done = 0;
	await new Promise((resolve) => {
		const worker = new Worker('bench', async () => 0,
			{ ...connect(), concurrency });
		worker.on('completed', () => { if (++done === count) resolve(); });
	});
	return began;
}

const began = await (mode === 'push' ? push() : work());
console.log(`began ${began}`);
console.log(`ended ${now()}`);
process.exit(0);
