/**
 * Official builds of ONNX Runtime 1.29 and later tell Microsoft about every session unless this variable is set before they
 * are loaded (microsoft/onnxruntime#27379): they leave an identifier and a queue of events in the home directory and send
 * them. What runs on the user's own machine tells nobody. On Windows the system's own settings decide instead.
 */
process.env.ORT_DISABLE_TELEMETRY ??= '1';
