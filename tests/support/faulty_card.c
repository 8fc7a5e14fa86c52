/* A sound card that misbehaves when it is told to: an external plug-in of the real alsa-lib.
 *
 * A test writes one word into the file that the configuration names as `script`: see `word`. What is played is
 * heard at the microphone 20 ms later and 12 dB quieter, over a little noise, by the machine's clock.
 */
#include <alsa/asoundlib.h>
#include <alsa/pcm_external.h>
#include <stdint.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define RATE 48000
#define FRAME 480
#define AIR (1 << 18)
#define PATH (20 * RATE / 1000)

/* What is in the air, by absolute time in samples. Two threads write and read it, as two cards would. */
static volatile int16_t air[AIR];

struct card {
    snd_pcm_ioplug_t io;
    char script[512];
    char word[32];
    int64_t looked; /* when the word was read */
    int timer;
    int64_t began;  /* absolute sample of the first one, while it runs */
    int64_t moved;  /* samples transferred since it was prepared */
    int64_t frozen; /* where the clock stood when it froze, or -1 */
    int64_t gap;    /* where the last gap was, in a storm */
    uint32_t noise;
};

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * RATE + (int64_t)time.tv_nsec * RATE / 1000000000;
}

static int is(struct card *card, const char *word) {
    int64_t time = now();
    if (time > card->looked + FRAME) {
        FILE *file = fopen(card->script, "r");
        card->looked = time;
        if (!file || !fgets(card->word, sizeof card->word, file)) card->word[0] = 0;
        if (file) fclose(file);
    }
    return strcmp(card->word, word) == 0;
}

/* Samples that the clock has passed since the start. */
static int64_t passed(struct card *card) {
    int64_t time = now() - card->began;
    if (is(card, "frozen") || is(card, "restless")) {
        if (card->frozen < 0) card->frozen = time;
        return card->frozen;
    }
    card->frozen = -1;
    return is(card, "slow") ? time * 9 / 10 : time;
}

static int64_t ready(struct card *card) {
    int64_t time = passed(card);
    return card->io.stream == SND_PCM_STREAM_CAPTURE ? time - card->moved
                                                     : (int64_t)card->io.buffer_size - (card->moved - time);
}

static int start(snd_pcm_ioplug_t *io) {
    struct card *card = io->private_data;
    card->began = now();
    card->gap = 0;
    return 0;
}

static int stop(snd_pcm_ioplug_t *io) {
    (void)io;
    return 0;
}

static int prepare(snd_pcm_ioplug_t *io) {
    struct card *card = io->private_data;
    card->moved = 0;
    card->began = now();
    card->frozen = -1;
    return 0;
}

static snd_pcm_sframes_t pointer(snd_pcm_ioplug_t *io) {
    struct card *card = io->private_data;
    int64_t time = passed(card);
    if (ready(card) > (int64_t)io->buffer_size) return -EPIPE;
    if (is(card, "storm") && time > card->gap + 3 * FRAME) {
        card->gap = time;
        return -EPIPE;
    }
    return time % io->buffer_size;
}

static snd_pcm_sframes_t transfer(snd_pcm_ioplug_t *io, const snd_pcm_channel_area_t *areas,
                                  snd_pcm_uframes_t offset, snd_pcm_uframes_t size) {
    struct card *card = io->private_data;
    if (is(card, "gone")) return -ENODEV;
    int silent = is(card, "silent"), far_off = is(card, "offset"), deaf = is(card, "deaf");
    int16_t *samples = (int16_t *)((char *)areas->addr + (areas->first + areas->step * offset) / 8);
    for (snd_pcm_uframes_t n = 0; n < size; n++) {
        int64_t at = card->began + card->moved + n;
        if (io->stream == SND_PCM_STREAM_PLAYBACK) {
            air[at & (AIR - 1)] = deaf ? 0 : samples[n];
            continue;
        }
        card->noise = card->noise * 1664525u + 1013904223u;
        int heard = air[(at - PATH) & (AIR - 1)] / 4 + (int)(card->noise >> 28) - 8;
        samples[n] = silent ? 0 : far_off ? heard / 2 + 12000 : heard;
    }
    card->moved += size;
    return size;
}

static int poll_revents(snd_pcm_ioplug_t *io, struct pollfd *fds, unsigned int count, unsigned short *events) {
    struct card *card = io->private_data;
    uint64_t ticks;
    (void)fds;
    (void)count;
    *events = 0;
    /* Wakes whoever waits again and again, for nothing, as PulseAudio's plug-in can. */
    if (is(card, "restless")) return 0;
    if (read(card->timer, &ticks, sizeof ticks) < 0) ticks = 0;
    if (is(card, "frozen")) {
        /* No interrupt any more, ever. */
        const struct itimerspec never = {{0, 0}, {0, 0}};
        timerfd_settime(card->timer, 0, &never, NULL);
        return 0;
    }
    if (is(card, "gone")) *events = POLLERR | POLLIN | POLLOUT;
    else if (ready(card) >= FRAME) *events = io->stream == SND_PCM_STREAM_PLAYBACK ? POLLOUT : POLLIN;
    return 0;
}

static int close_card(snd_pcm_ioplug_t *io) {
    struct card *card = io->private_data;
    close(card->timer);
    free(card);
    return 0;
}

static const snd_pcm_ioplug_callback_t callback = {
    .start = start, .stop = stop, .pointer = pointer, .transfer = transfer,
    .prepare = prepare, .poll_revents = poll_revents, .close = close_card,
};

static int constrain(snd_pcm_ioplug_t *io, struct card *card) {
    const unsigned int access[] = {SND_PCM_ACCESS_RW_INTERLEAVED}, format[] = {SND_PCM_FORMAT_S16_LE};
    unsigned int rate = is(card, "44100") ? 44100 : RATE, channels = is(card, "12 channels") ? 12 : 1;
    int error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_ACCESS, 1, access);
    if (!error) error = snd_pcm_ioplug_set_param_list(io, SND_PCM_IOPLUG_HW_FORMAT, 1, format);
    if (!error) error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_RATE, rate, rate);
    if (!error) error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_CHANNELS, channels, channels);
    if (!error) error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIOD_BYTES, 96, 1920);
    if (!error) error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_BUFFER_BYTES, 960, 65536);
    if (!error) error = snd_pcm_ioplug_set_param_minmax(io, SND_PCM_IOPLUG_HW_PERIODS, 2, 64);
    return error;
}

SND_PCM_PLUGIN_DEFINE_FUNC(faulty) {
    snd_config_iterator_t at, next;
    const char *script = NULL;
    (void)root;
    snd_config_for_each(at, next, conf) {
        snd_config_t *entry = snd_config_iterator_entry(at);
        const char *id;
        if (snd_config_get_id(entry, &id) == 0 && strcmp(id, "script") == 0) snd_config_get_string(entry, &script);
    }
    struct card *card = script ? calloc(1, sizeof *card) : NULL;
    if (!card) return -EINVAL;
    strncpy(card->script, script, sizeof card->script - 1);
    int refused = is(card, "gone") ? -ENODEV : is(card, "busy") ? -EBUSY : is(card, "frozen") || is(card, "restless") ? -EIO : 0;
    if (refused) {
        free(card);
        return refused;
    }
    struct itimerspec tick = {{0, 2000000}, {0, 2000000}};
    card->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    timerfd_settime(card->timer, 0, &tick, NULL);
    card->noise = 4711;
    card->io.version = SND_PCM_IOPLUG_VERSION;
    card->io.name = "a card that misbehaves";
    card->io.callback = &callback;
    card->io.private_data = card;
    card->io.poll_fd = card->timer;
    card->io.poll_events = POLLIN;
    int error = snd_pcm_ioplug_create(&card->io, name, stream, mode);
    if (error) {
        close_card(&card->io);
        return error;
    }
    error = constrain(&card->io, card);
    if (error) {
        snd_pcm_ioplug_delete(&card->io);
        return error;
    }
    *pcmp = card->io.pcm;
    return 0;
}

SND_PCM_PLUGIN_SYMBOL(faulty);
