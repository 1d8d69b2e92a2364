import { UserError } from '../errors.ts';

/** Refuses a file whose hyperparameters do not fit each other; `Hparams` has checked each by itself. */
export const expectHparam = (holds: boolean, key: string, value: number, expected: string): void => {
  if (!holds) throw new UserError('model', `${key} is ${value}, expected ${expected}`);
};
