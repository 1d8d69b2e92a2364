/** ONNX Runtime, which is told to keep to itself before it is loaded. Nobody else imports the package. */
import './silence.ts';

export { env, InferenceSession, listSupportedBackends, Tensor } from 'onnxruntime-node';
