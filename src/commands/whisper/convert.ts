/** `grafo whisper --convert`: any model that is read becomes a GGUF file. */
import { writeWhisper } from '../../io/whisper/convert.ts';
import { openWhisper } from '../../io/whisper/open.ts';
import { readModel } from '../../models/definition.ts';
import { whisper } from '../../models/whisper.ts';

/** Writes the model at `path` to `out`, matrices in `type` or as they are. */
export const convertSpeechModel = async (path: string, out: string, type: string | undefined): Promise<void> => {
  const file = await openWhisper(path);
  try {
    readModel(whisper, file); // what does not fit is refused before anything is written
    await writeWhisper(out, file, type);
  } finally {
    await file.close();
  }
};
