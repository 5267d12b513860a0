/* Loads a plugin that records, lets a thread use it, and unloads it while that thread still lives: the hard case for a
   library that keeps something per thread. Usage: host PLUGIN LOG */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

typedef int start_fn(const char *);
typedef int work_fn(int);
typedef int stop_fn(void);

static work_fn *work;
static sem_t worked, unloaded;
static int failures;

static void *use(void *unused) {
    (void)unused;
    for (int item = 1; item <= 100; item++) {
        failures += work(item) != 0;
    }
    sem_post(&worked);
    sem_wait(&unloaded);
    return NULL; /* the thread's own data of the library ends here, after dlclose */
}

/* dlsym returns a pointer to an object; POSIX promises that it may be read as one to a function. */
#define FUNCTION(type, handle, name) (*(type **)&(void *){dlsym(handle, name)})

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s PLUGIN LOG\n", argv[0]);
        return 2;
    }
    for (int round = 0; round < 3; round++) {
        void *plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        if (plugin == NULL) {
            fprintf(stderr, "%s\n", dlerror());
            return 1;
        }
        start_fn *start = FUNCTION(start_fn, plugin, "plugin_start");
        stop_fn *stop = FUNCTION(stop_fn, plugin, "plugin_stop");
        work = FUNCTION(work_fn, plugin, "plugin_work");
        pthread_t thread;
        if (start(argv[2]) != 0 || sem_init(&worked, 0, 0) != 0 || sem_init(&unloaded, 0, 0) != 0 ||
            pthread_create(&thread, NULL, use, NULL) != 0) {
            fprintf(stderr, "could not start the plugin\n");
            return 1;
        }
        sem_wait(&worked);
        failures += stop() != 0;
        dlclose(plugin);
        sem_post(&unloaded);
        pthread_join(thread, NULL);
    }
    printf("3 times loaded, used by a thread, and unloaded under it; %d failures\n", failures);
    return failures != 0;
}
