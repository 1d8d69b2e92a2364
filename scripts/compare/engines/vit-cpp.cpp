// Times vit.cpp's own prediction, model and image in memory, as a line of JSON. Built beside vit.cpp's sources:
//   g++ -O3 -march=native -I VITCPP -I VITCPP/ggml/include -I VITCPP/ggml/include/ggml vit-cpp.cpp VITCPP/vit.cpp \
//       -L LIBS -lggml -Wl,-rpath,LIBS -o vit-bench
#include <sys/resource.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "vit.h"

static double cpu_ms() {
    rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

int main(int argc, char ** argv) {
    if (argc != 4) return 2;  // MODEL THREADS RUNS
    ggml_time_init();
    vit_model model;
    if (!vit_model_load(argv[1], model)) return 1;
    vit_params params;
    params.n_threads = atoi(argv[2]);
    params.topk = 1;
    vit_state state;
    state.ctx = ggml_init({ 3u * 1024 * 1024, nullptr, false });
    state.prediction = ggml_new_tensor_4d(state.ctx, GGML_TYPE_F32, model.hparams.num_classes, 1, 1, 1);
    image_f32 image;
    image.nx = image.ny = model.hparams.img_size;
    image.data.resize(3 * image.nx * image.ny);
    for (size_t i = 0; i < image.data.size(); i++) image.data[i] = 1.5f * std::sin(0.37f * i);
    std::vector<std::pair<float, int>> predictions;
    const int runs = atoi(argv[3]);
    std::string times;
    for (int i = 0; i <= runs; i++) {
        const double cpu = cpu_ms();
        const int64_t start = ggml_time_us();
        predictions.clear();
        vit_predict(model, state, image, params, predictions);
        const double wall = (ggml_time_us() - start) / 1e3;
        // The first run is a warm-up.
        if (i == 0) continue;
        char text[64];
        snprintf(text, sizeof text, "%s[%.3f,%.3f]", i > 1 ? "," : "", wall, cpu_ms() - cpu);
        times += text;
    }
    fprintf(stderr, "\n[%s]\n", times.c_str());
    return 0;
}
