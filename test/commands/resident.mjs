/**
 * The built command as a resident: it runs one command line after another in one process, so that only the first of them
 * waits for modules and the runtime to load. Each comes as a message, and so go what it writes and how it ends.
 */
import { Readable } from 'node:stream';
import { main } from '../../dist/cli.js';

/** What the command has written goes to whoever asked, in order; the last message is how it ended. */
const tell = (name) => (text, encoding, done) => {
  const given = typeof encoding === 'function' ? encoding : done;
  const bytes = Buffer.from(text, typeof encoding === 'string' ? encoding : 'utf8');
  process.send({ [name]: bytes.toString('base64') }, () => given?.());
  return true;
};
process.stdout.write = tell('stdout');
process.stderr.write = tell('stderr');

process.on('message', async ({ args, env, cwd, stdin }) => {
  // The runtime reads the process's own environment, so that is what changes.
  for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
  Object.assign(process.env, env);
  process.chdir(cwd);
  process.exitCode = undefined;
  Object.defineProperty(process, 'stdin', { value: Readable.from([Buffer.from(stdin, 'base64')]), configurable: true });
  await main(args);
  // A command listens until its process ends.
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error');
  process.send({ code: process.exitCode ?? 0 });
});
process.on('disconnect', () => process.exit());
