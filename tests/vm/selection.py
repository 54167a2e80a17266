"""PURE. Which tests the emulated machine runs.

It is twenty times slower than a real one, so it runs what only it can tell: everything that needs cgroup v2, and from
each kind of the others what a newer systemd and that hierarchy could break. Tests that kill at many moments, or look
at one rule many times over, stay where they are fast.
"""

SELECTION = (
    # what the host's ids, BPF and a label of AppArmor make of an app
    "tests/root/test_pod_confinement.py::test_devices_that_apps_ask_for_can_be_opened",
    "tests/root/test_pod_confinement.py::test_an_app_has_the_apparmor_profile_that_it_was_given",
    "tests/root/test_pod_confinement.py::test_root_has_at_most_fourteen_capabilities_and_none_over_the_host",
    # acting on a running pod
    "tests/root/test_pod_exec_rights.py::test_an_entered_process_has_what_the_app_has[root-auto]",
    "tests/root/test_pod_exec_rights.py::test_an_entered_process_has_what_the_app_has[user-host]",
    "tests/root/test_pod_exec_rights.py::test_the_cgroup_is_the_apps",
    "tests/root/test_pod_mount.py::test_a_directory_is_there_at_once_with_its_owners_and_goes_again",
    "tests/root/test_pod_cp.py::test_a_tree_comes_out_as_it_is[auto]",
    "tests/root/test_pod_cp.py::test_a_tree_comes_out_as_it_is[host]",
    "tests/root/test_pod_cp.py::test_a_tree_goes_in_with_its_owners[auto]",
    "tests/root/test_pod_cp.py::test_a_tree_goes_in_with_its_owners[host]",
    # limits, and the end of who exceeds them
    "tests/root/test_pod_limits.py",
    "tests/root/test_pod_limit.py::test_a_running_pod_is_bound_at_once_and_freed_again",
    "tests/root/test_pod_limit.py::test_memory_that_an_app_takes_after_the_change_is_counted",
    "tests/root/test_pod_limit.py::test_another_start_has_the_limits_too",
    "tests/root/test_pod_limit.py::test_a_pod_that_has_never_run_gets_them_when_it_starts",
    "tests/root/test_pod_limit.py::test_less_memory_than_is_in_use_is_refused_and_all_stays_as_it_was",
    "tests/root/test_pod_limit.py::test_changes_at_the_same_time_are_all_kept",
    "tests/root/test_pod_limit.py::test_an_app_is_bound_at_once_and_by_its_next_run",
    "tests/root/test_pod_limit.py::test_less_memory_than_an_app_uses_is_refused",
    # freezing
    "tests/root/test_pod_look.py::test_a_paused_pod_does_nothing_until_it_goes_on",
    "tests/root/test_pod_look.py::test_pausing_one_app_leaves_the_others",
    "tests/root/test_pod_look.py::test_a_paused_pod_can_be_stopped_in_order",
    "tests/root/test_pod_look.py::test_a_paused_pod_can_be_killed",
    "tests/root/test_pod_exec.py::test_an_app_that_is_paused_is_not_waited_for",
    # what is read from control groups
    "tests/root/test_pod_look.py::test_stats_tell_the_busy_app_from_the_idle_one",
    "tests/root/test_pod_look.py::test_following_stats_end_with_the_pod",
    "tests/root/test_pod_look.py::test_top_lists_every_process_once",
    "tests/root/test_pod_look.py::test_following_events_sees_each_of_them_once",
    # apps that are stopped, started, added and changed in a pod that runs
    "tests/root/test_pod_app.py::test_an_app_that_is_stopped_does_not_end_the_pod",
    "tests/root/test_pod_app.py::test_apps_that_require_one_are_stopped_and_restarted_with_it",
    "tests/root/test_pod_app.py::test_it_works_whoever_the_pods_root_is",
    "tests/root/test_pod_app_change.py::test_an_app_that_was_added_is_as_one_that_was_there_from_the_start",
    "tests/root/test_pod_app_change.py::test_what_does_not_start_was_never_there",
    "tests/root/test_pod_app_change.py::test_an_update_gives_one_app_another_image_and_a_bad_one_is_taken_back",
    # a life
    "tests/root/test_pod_life.py::test_a_prepared_pod_can_be_started_and_started_again_with_the_files_it_left",
    "tests/root/test_pod_order.py::test_an_app_that_gives_no_sign_of_life_has_failed",
    "tests/root/test_pod_order.py::test_what_an_app_says_of_itself_is_in_its_status",
    "tests/root/test_pod_order.py::test_the_first_connection_starts_an_activated_app",
    "tests/root/test_pod_results.py::test_an_app_that_ignores_its_stop_signal_is_told_by_its_stop_time",
    "tests/root/test_pod_credentials.py::test_an_app_reads_its_secret_as_its_user_and_nobody_else_does[app-auto]",
    "tests/root/test_pod_credentials.py::test_an_encrypted_secret_is_decrypted_for_the_app",
    # a part of the host: machines
    "tests/lab/test_host_integration.py::test_a_detached_pod_is_a_machine_and_a_unit",
    "tests/lab/test_host_integration.py::test_a_pod_in_the_foreground_is_a_machine_too",
    "tests/lab/test_host_integration.py::test_machinectl_ends_a_pod_in_order[poweroff]",
    "tests/lab/test_host_integration.py::test_systemctl_stops_a_detached_pod_in_order_and_its_unit_is_gone",
    "tests/lab/test_machinectl.py",
    "tests/lab/test_host_machined.py",
    # units
    "tests/lab/test_pod_devices.py::test_a_device_is_open_as_far_as_it_was_given_even_for_root",
    "tests/lab/test_host_units.py::test_limits_of_a_drop_in_bind_the_apps",
    "tests/lab/test_host_units.py::test_a_unit_for_a_pod_is_started_stopped_and_started_again",
    "tests/lab/test_host_units.py::test_a_machine_that_is_rebooted_is_the_same_pod_again",
    "tests/lab/test_host_units.py::test_a_pod_of_a_file_is_enabled_and_started_by_its_name",
    "tests/lab/test_host_units.py::test_the_house_is_kept",
    "tests/lab/test_host_notify.py::test_memory_and_processor_of_unit_and_slice_bind_the_apps",
    "tests/lab/test_host_notify.py::test_the_watchdog_hears_of_a_pod_as_long_as_its_pid_1_is_well",
    "tests/lab/test_host_properties.py::test_a_pod_in_the_foreground_has_a_scope_with_what_was_asked_for",
    "tests/lab/test_host_properties.py::test_a_manifests_restart_policy_starts_the_same_pod_again",
    "tests/lab/test_host_reload.py::test_a_reload_makes_what_can_be_made_and_names_the_rest",
    "tests/lab/test_host_reload.py::test_a_bad_manifest_fails_the_reload_and_changes_nothing[source]",
    "tests/lab/test_pod_host.py::test_a_pod_that_came_and_went_left_nothing",
    "tests/lab/test_pod_host.py::test_a_unit_whose_monitor_is_killed_stops_its_pod_in_order",
    "tests/lab/test_pod_host.py::test_a_pod_is_the_main_process_of_a_unit_of_the_users_own",
    "tests/lab/test_pod_inside.py::test_limits_of_a_unit_are_changed_by_systemd_and_kept",
    "tests/lab/test_pod_inside.py::test_the_propagation_directory_does_the_same_without_a_user_namespace",
    "tests/lab/test_pod_policies.py::test_by_default_the_first_failure_ends_the_pod_with_its_status",
    "tests/lab/test_pod_policies.py::test_a_restarted_app_is_counted_and_its_last_failure_ends_the_pod",
    # what a unit hands on
    "tests/lab/test_pod_from_host.py::test_a_socket_of_the_host_starts_the_pod_and_the_app_behind_it",
    "tests/lab/test_pod_from_host.py::test_a_credential_of_the_unit_is_that_of_one_app_and_read_anew_at_each_start",
    "tests/lab/test_pod_from_host.py::test_an_app_that_reads_its_configuration_again_makes_the_unit_one_that_reloads",
    "tests/lab/test_host_notify.py::test_a_listening_socket_outlives_a_restart_of_the_unit",
    "tests/lab/test_host_notify.py::test_an_encrypted_credential_of_the_unit_is_the_apps",
    # the journal
    "tests/lab/test_journal.py::test_the_journal_and_the_logs_of_a_pod_have_the_same_lines",
    "tests/lab/test_journal.py::test_a_journal_that_stands_still_or_begins_anew_holds_nobody_up_and_misses_nothing",
    "tests/lab/test_journal.py::test_lines_above_the_rate_are_counted_and_the_count_is_said",
    "tests/lab/test_journal.py::test_a_unit_whose_output_is_the_journal_has_each_line_once",
    "tests/lab/test_journal.py::test_an_app_that_comes_later_and_its_next_image_have_their_fields",
    # boots of the host
    "tests/lab/test_host_integration.py::test_results_and_logs_are_there_after_a_reboot_and_names_still_mean_their_pods",
    "tests/lab/test_host_boot.py",
)
