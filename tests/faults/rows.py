"""The rows of the table of faults, in its order, each with its test.

A test below tests/faults/inject prints rows of its own (`fault` empty). For the others
the fault and the bound that the test asserts stand here, with the pattern of the line in
which the test prints what it measured; without a pattern the row says that it held.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    where: str
    fault: str = ""
    bound: str = ""
    pattern: str = ""
    shown: str = "{}"


def own(*names):
    return [Row(f"faults::{name}") for name in names]


def outage(which, name):
    test = f"net_outage::{name}"
    return [
        Row(test, f"half-open link, idle ({which}): noticed", "20 s", r"outage was noticed after (.*)"),
        Row(test, f"link up again after a minute ({which}): registered", "3 s", r"registered (\S+) after link-up"),
    ]


def cut(which, name):
    test = f"net_outage::{name}"
    return [
        Row(test, f"half-open link in a call ({which}): noticed", "5 s", r"dead session was found after (.*)"),
        Row(test, f"a cut of 10 s in a call ({which}): sound is back", "1 s after it",
            r"(the far end|the box) heard nothing for (\S+), the cut was (\S+)", "{0}: {1} of silence for a cut of {2}"),
    ]


def trouble(device, test):
    return Row(f"audio_faults::{test}", f"sound card ({device}) gone, busy, unfit, frozen, in a storm of xruns, and well again: "
               "sound is back", "2 s", r"\w+ (\S+): sound was back after (\d+) ms", "{} {} ms")


ROWS = [
    *own("voice_core::a_core_that_restarts_is_found_again", "voice_core::a_core_that_hangs_is_noticed_and_taken_back"),
    Row("e2e_adoption::a_broken_stream_in_mid_call_is_healed_and_the_sound_goes_over_to_new_media",
        "the stream breaks in a call, twice (`Pipe`)", "the call goes on with new media"),
    Row("e2e_adoption::with_multi_pipe_the_call_just_goes_on", "the stream breaks in a call (`MultiPipe`)", "the call goes on"),
    Row("e2e_adoption::a_hang_up_in_the_gap_reaches_the_core", "somebody hangs up while the stream is broken", "the core hears of it"),
    *outage("own interface", "a_box_whose_interface_was_off_for_a_minute_is_registered_within_three_seconds"),
    *outage("switch", "a_box_whose_switch_was_off_for_a_minute_is_registered_within_three_seconds"),
    *cut("own interface", "a_call_lives_through_ten_seconds_without_its_interface"),
    *cut("switch", "a_call_lives_through_ten_seconds_without_a_switch"),
    *own("weather::a_call_that_has_lost_its_way_ends_and_the_next_is_well",
         "weather::five_percent_loss_and_a_hundred_milliseconds", "weather::bursts_and_a_quarter_of_a_second",
         "weather::thirty_percent_random_loss", "weather::from_three_hundred_to_twenty_five_kilobits",
         "storm::calls_in_changing_weather"),
    Row("session_names::an_address_that_is_dead_does_not_hide_the_one_that_is_not",
        "DNS lies: two of three addresses are dead", "one attempt, 15 s", r"registered after (\S+)"),
    Row("session_names::a_core_that_moves_to_another_address_is_found_there", "DNS changes: the core moves, also to IPv6", "found there"),
    Row("e2e_bad_surroundings::a_name_that_is_not_resolved_is_a_fault_until_it_is", "DNS: no such name", "a fault by its name, and over once there is one"),
    Row("e2e_bad_surroundings::a_certificate_for_another_host_is_refused", "DNS lies: the address of somebody else", "refused by its certificate, and told"),
    *own("clock::the_clock_jumps_in_mid_call"),
    Row("session_clock::in_1970_the_box_says_that_it_waits_for_the_time_and_registers_when_the_clock_is_set",
        "start in 1970, then the clock is set", "registered in 5 s"),
    *own("token::a_token_server_that_answers_wrongly_is_told_by_its_fault", "token::a_token_server_that_is_slow_holds_nothing_up",
         "token::without_its_token_server_a_box_keeps_its_session_and_its_token"),
    Row("e2e_bad_surroundings::a_secret_that_the_token_server_refuses_is_a_fault_until_it_is_changed",
        "the secret is wrong, then changed", "a fault by its name, no restart"),
    *own("disk::a_disk_that_takes_nothing_in_mid_call", "disk::a_start_on_a_disk_that_takes_nothing", "disk::a_log_that_nobody_takes"),
    Row("state_store::a_process_killed_at_any_moment_leaves_what_it_kept_last_or_the_next", "killed while it writes what is to be kept, 25 times",
        "the last or the next, whole"),
    *own("state::the_first_start_is_killed_at_each_write", "state::the_memory_is_killed_at_each_write",
         "state::the_configuration_is_killed_at_each_write", "state::a_call_is_killed_at_each_write",
         "state::the_history_of_calls_is_killed_at_each_write", "scripts::the_image_scripts_are_killed_at_each_write"),
    *own("limits::sixty_four_megabytes_are_enough", "limits::a_glutton_takes_a_processor_and_real_time_threads_hold",
         "limits::a_glutton_takes_a_processor_where_no_real_time_is_permitted", "threads::a_thread_that_hangs_starves_the_watchdog"),
    trouble("microphone", "a_microphone_in_every_trouble"),
    trouble("loudspeaker", "a_loudspeaker_in_every_trouble"),
    Row("audio_faults::a_sound_server_that_is_killed_in_mid_call_is_back_in_time", "sound server killed in a call, three times: devices open again",
        "2 s", r"PulseAudio: both open after (\d+) ms", "{} ms"),
    Row("audio_faults::a_hundred_cycles_leak_nothing", "sound card gone and back a hundred times", "nothing leaks, back in 2 s",
        r"100 cycles: back within (\d+) ms", "back within {} ms"),
    *own("kill::kill_9_in_every_state_of_a_call_on_pipe", "kill::kill_9_in_every_state_of_a_call_on_multi_pipe"),
]

# Check and beginning of the claim, of the rows that `make vm-test` prints.
GUEST = [
    ("door", "kill -9 with the door open"),
    ("door", "the strike goes off by itself"),
    ("end", "kill -9 in a call"),
    ("end", "started again after kill -9"),
    ("watchdog", "a thread"),
    ("gone", "chip pulled out"),
    ("gone", "plugged in again"),
]
