/* M/M/1, first come first served, by a binary heap of events and customers from a free list.
 * Prints: customers served, CPU seconds, mean waiting time in ns.
 *
 * usage: mm1 interarrival_mean_ns demand_mean_ns horizon_ns seed
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct { int64_t time; int32_t kind; } Event;
typedef struct Customer { struct Customer *next; int64_t arrival, demand; } Customer;

static Event heap[8];
static int heap_size;
static uint64_t state;

static int64_t draw(double mean) {
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    int64_t x = (int64_t)(-log(((double)(z >> 11) + 0.5) * 0x1p-53) * mean + 0.5);
    return x > 0 ? x : 1;
}

static void push(int64_t time, int32_t kind) {
    Event e = {time, kind};
    int i = heap_size++;
    while (i > 0 && e.time < heap[(i - 1) / 2].time) {
        heap[i] = heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap[i] = e;
}

static Event pop(void) {
    Event top = heap[0], e = heap[--heap_size];
    int i = 0;
    for (;;) {
        int child = 2 * i + 1;
        if (child >= heap_size) break;
        if (child + 1 < heap_size && heap[child + 1].time < heap[child].time) child++;
        if (e.time <= heap[child].time) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = e;
    return top;
}

int main(int count, char **word) {
    if (count != 5) return 2;
    double interarrival = atof(word[1]), demand = atof(word[2]), waited = 0;
    int64_t horizon = atoll(word[3]), served = 0;
    state = strtoull(word[4], NULL, 10);
    Customer *free_list = NULL, *first = NULL, *last = NULL, *running = NULL;
    clock_t began = clock();
    push(draw(interarrival), 0);
    while (heap[0].time <= horizon) {
        Event e = pop();
        if (e.kind == 0) {
            Customer *c = free_list;
            if (c) free_list = c->next;
            else c = malloc(sizeof *c);
            c->arrival = e.time;
            c->demand = draw(demand);
            c->next = NULL;
            if (first) last->next = c;
            else first = c;
            last = c;
            push(e.time + draw(interarrival), 0);
        } else {
            running->next = free_list;
            free_list = running;
            running = NULL;
            served++;
        }
        if (!running && first) {
            running = first;
            first = first->next;
            waited += (double)(e.time - running->arrival);
            push(e.time + running->demand, 1);
        }
    }
    double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    printf("%lld %.6f %.6f\n", (long long)served, seconds, waited / (double)(served ? served : 1));
    return 0;
}
