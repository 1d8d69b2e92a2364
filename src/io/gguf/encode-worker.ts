/** The thread's side of encoders.ts: rounds runs of values, one at a time. */
import { answerQuestions } from '../../system/thread.ts';
import type { EncodeRequest } from './encoders.ts';
import { encodedAs } from './retyped.ts';

answerQuestions(
  ({ typeName, values }: EncodeRequest) => encodedAs(typeName, values),
  ({ buffer }) => [buffer],
);
