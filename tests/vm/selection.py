"""PURE. Which tests the emulated machine runs.

It is twenty times slower than a real one, so it runs what only it can tell: everything that needs cgroup v2, and from
each kind of the others what a newer systemd and that hierarchy could break. Tests that kill at many moments, or look
at one rule many times over, stay where they are fast.
"""

SELECTION = (
    # apps that are stopped, started, added and changed in a pod that runs
    "tests/root/test_pod_app.py::test_an_app_that_is_stopped_does_not_end_the_pod",
    "tests/root/test_pod_app.py::test_apps_that_require_one_are_stopped_and_restarted_with_it",
    "tests/root/test_pod_app.py::test_it_works_whoever_the_pods_root_is[host]",
    "tests/root/test_pod_app_change.py::test_an_app_that_was_added_is_as_one_that_was_there_from_the_start",
    "tests/root/test_pod_app_change.py::test_what_does_not_start_was_never_there",
    "tests/root/test_pod_app_change.py::test_an_update_gives_one_app_another_image_and_a_bad_one_is_taken_back",
    "tests/root/test_pod_app_change.py::test_an_app_of_the_same_name_has_not_the_limits_of_the_one_before",
    "tests/root/test_pod_app_change.py::test_an_app_that_was_added_has_its_devices_and_its_secrets[auto]",
    # what is mounted by an app or the host, and seen by the other
    "tests/root/test_pod_shared.py",
    # what is read from control groups
    "tests/root/test_pod_look.py::test_stats_tell_the_busy_app_from_the_idle_one",
    "tests/root/test_pod_look.py::test_following_stats_end_with_the_pod",
    "tests/root/test_pod_look.py::test_top_lists_every_process_once",
    "tests/root/test_pod_look.py::test_following_events_sees_each_of_them_once",
    # limits, and the end of who exceeds them
    "tests/root/test_pod_limits.py::test_a_pod_that_takes_more_memory_than_it_may_is_said_to_be_out_of_memory",
    "tests/root/test_pod_limits.py::test_an_app_that_is_killed_in_a_pod_with_a_limit_of_memory_is_not_out_of_memory",
    "tests/root/test_pod_limits.py::test_each_app_that_ran_out_of_memory_is_told",
    "tests/root/test_pod_limits.py::test_a_pod_cannot_have_more_processes_than_it_may",
    "tests/root/test_pod_limits.py::test_the_limits_of_a_pod_are_those_of_its_group",
    "tests/root/test_pod_limits.py::test_a_detached_pod_has_its_limits_too",
    "tests/root/test_pod_limits.py::test_groups_of_a_limited_pod_are_gone_when_it_is_over_or_was_killed",
    "tests/root/test_pod_limits.py::test_the_limits_of_an_app_are_those_of_its_group",
    "tests/root/test_pod_limits.py::test_an_app_of_a_detached_pod_is_limited_too",
    "tests/root/test_pod_limits.py::test_an_app_out_of_memory_is_told_and_its_neighbour_goes_on",
    "tests/root/test_pod_limits.py::test_an_app_cannot_have_more_processes_than_it_may",
    "tests/root/test_pod_limits.py::test_an_app_that_is_killed_for_want_of_memory_is_started_again",
    "tests/root/test_pod_limits.py::test_disks_are_limited_for_pods_and_apps",
    "tests/root/test_pod_limits.py::test_what_systemd_has_no_limit_for_is_refused",
    "tests/root/test_pod_limits.py::test_an_app_may_have_more_than_systemd_nspawn_gives_by_default",
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
    # what the host's ids, BPF and a label of AppArmor make of an app
    "tests/root/test_pod_confinement.py::test_devices_that_apps_ask_for_can_be_opened",
    "tests/root/test_pod_labels.py::test_an_app_has_the_apparmor_profile_that_it_was_given",
    "tests/root/test_pod_labels.py::test_who_enters_an_app_has_its_apparmor_profile",
    "tests/root/test_pod_confinement.py::test_root_has_at_most_fourteen_capabilities_and_none_over_the_host[host]",
    # acting on a running pod
    "tests/root/test_pod_exec_rights.py::test_an_entered_process_has_what_the_app_has[root-auto]",
    "tests/root/test_pod_exec_rights.py::test_an_entered_process_has_what_the_app_has[user-host]",
    "tests/root/test_pod_exec_rights.py::test_the_cgroup_is_the_apps",
    "tests/root/test_pod_mount.py::test_a_directory_is_there_at_once_with_its_owners_and_goes_again",
    "tests/root/test_pod_cp.py::test_a_tree_comes_out_as_it_is[auto]",
    "tests/root/test_pod_cp.py::test_a_tree_goes_in_with_its_owners[host]",
    # a life
    "tests/root/test_pod_life.py::test_a_prepared_pod_can_be_started_and_started_again_with_the_files_it_left",
    "tests/root/test_pod_order.py::test_an_app_that_gives_no_sign_of_life_has_failed",
    "tests/root/test_pod_order.py::test_what_an_app_says_of_itself_is_in_its_status",
    "tests/root/test_pod_order.py::test_the_first_connection_starts_an_activated_app",
    "tests/root/test_pod_order.py::test_a_socket_that_an_app_left_is_its_own_again_after_a_restart",
    "tests/root/test_pod_results.py::test_an_app_that_ignores_its_stop_signal_is_told_by_its_stop_time",
    "tests/root/test_pod_credentials.py::test_an_app_reads_its_secret_as_its_user_and_nobody_else_does[app-auto]",
    "tests/root/test_pod_credentials.py::test_an_encrypted_secret_is_decrypted_for_the_app",
    # a part of the host: machines
    "tests/lab/test_pod_changes.py::test_an_app_that_is_added_is_in_the_pods_machine_unit_journal_and_limits",
    "tests/lab/test_host_integration.py::test_a_detached_pod_is_a_machine_and_a_unit",
    "tests/lab/test_host_integration.py::test_a_pod_in_the_foreground_is_a_machine_too",
    "tests/lab/test_host_integration.py::test_machinectl_ends_a_pod_in_order[poweroff]",
    "tests/lab/test_host_integration.py::test_systemctl_stops_a_detached_pod_in_order_and_its_unit_is_gone",
    "tests/lab/test_machinectl.py::test_a_reboot_starts_the_same_pod_again_in_its_unit",
    "tests/lab/test_machinectl.py::test_names_of_pods_are_names_of_hosts",
    "tests/lab/test_machinectl.py::test_files_are_copied_in_and_out_and_where_not_pod_cp_does_it",
    "tests/lab/test_machinectl.py::test_binding_needs_a_pod_without_ids_of_its_own_and_pod_mount_does_not",
    "tests/lab/test_machinectl.py::test_with_a_bus_there_is_a_shell_and_a_login",
    "tests/lab/test_machinectl.py::test_a_journal_of_the_pods_own_is_read_from_the_host_while_and_after_it_runs",
    "tests/lab/test_host_machined.py",
    # what a unit hands on
    "tests/lab/test_pod_from_host.py::test_a_socket_of_the_host_starts_the_pod_and_the_app_behind_it",
    "tests/lab/test_pod_from_host.py::test_a_credential_of_the_unit_is_that_of_one_app_and_read_anew_at_each_start",
    "tests/lab/test_pod_from_host.py::test_an_app_that_reads_its_configuration_again_makes_the_unit_one_that_reloads",
    "tests/lab/test_host_notify.py::test_a_listening_socket_outlives_a_restart_of_the_unit",
    "tests/lab/test_host_notify.py::test_a_credential_of_the_unit_is_the_apps[encrypted]",
    "tests/lab/test_host_notify.py::test_a_credential_of_the_unit_is_the_apps[import]",
    # the journal
    "tests/lab/test_journal.py::test_the_journal_and_the_logs_of_a_pod_have_the_same_lines",
    "tests/lab/test_journal.py::test_a_journal_that_stands_still_or_begins_anew_holds_nobody_up_and_misses_nothing",
    "tests/lab/test_journal.py::test_lines_above_the_rate_are_counted_and_the_count_is_said",
    "tests/lab/test_journal.py::test_an_app_that_comes_later_and_its_next_image_have_their_fields",
    # boots of the host
    "tests/lab/test_host_integration.py::test_results_and_logs_are_there_after_a_reboot_and_names_still_mean_their_pods",
    # units
    "tests/lab/test_pod_devices.py::test_a_device_is_open_as_far_as_it_was_given_even_for_root[auto-as a unit]",
    "tests/lab/test_pod_devices.py::test_a_device_is_open_as_far_as_it_was_given_even_for_root[host-as a unit]",
    "tests/lab/test_host_units.py::test_limits_of_a_drop_in_bind_the_apps",
    "tests/lab/test_host_units.py::test_a_unit_for_a_pod_is_started_stopped_and_started_again",
    "tests/lab/test_host_units.py::test_a_machine_that_is_rebooted_is_the_same_pod_again",
    "tests/lab/test_host_units.py::test_a_pod_of_a_file_is_enabled_and_started_by_its_name",
    "tests/lab/test_host_notify.py::test_memory_and_processor_of_unit_and_slice_bind_the_apps",
    "tests/lab/test_host_notify.py::test_the_watchdog_hears_of_a_pod_as_long_as_its_pid_1_is_well",
    "tests/lab/test_host_properties.py::test_a_pod_in_the_foreground_has_a_scope_with_what_was_asked_for",
    "tests/lab/test_host_properties.py::test_a_manifests_restart_policy_starts_the_same_pod_again",
    "tests/lab/test_host_reload.py::test_a_reload_makes_what_can_be_made_and_names_the_rest",
    "tests/lab/test_host_reload.py::test_a_reload_brings_replaces_and_takes_away_apps_and_the_unit_goes_on",
    "tests/lab/test_host_reload.py::test_a_bad_manifest_fails_the_reload_and_changes_nothing[source]",
    "tests/lab/test_pod_host.py::test_a_pod_that_came_and_went_left_nothing[as a unit]",
    "tests/lab/test_pod_host.py::test_a_unit_whose_monitor_is_killed_stops_its_pod_in_order",
    "tests/lab/test_pod_host.py::test_a_pod_is_the_main_process_of_a_unit_of_the_users_own",
    "tests/lab/test_pod_inside.py::test_limits_of_a_unit_are_changed_by_systemd_and_kept",
    "tests/lab/test_pod_inside.py::test_the_propagation_directory_does_the_same_without_a_user_namespace",
    "tests/lab/test_pod_policies.py::test_by_default_the_first_failure_ends_the_pod_with_its_status[own systemd]",
    "tests/lab/test_pod_policies.py::test_a_restarted_app_is_counted_and_its_last_failure_ends_the_pod[own systemd]",
)

# In a boot of its own, since a kernel has one of both: what labels of SELinux change, and some of all else.
WITH_SELINUX = (
    "tests/root/test_pod_labels.py::test_apps_of_one_pod_have_the_selinux_labels_that_each_was_given",
    "tests/root/test_pod_labels.py::test_commands_beside_an_app_have_its_selinux_label",
    "tests/root/test_pod_labels.py::test_a_label_that_the_policy_does_not_know_is_told",
    "tests/root/test_pod_labels.py::test_an_app_with_a_selinux_label_ends_as_any_other",
    "tests/root/test_pod_labels.py::test_a_domain_for_containers_can_do_what_its_policy_says_and_no_more",
    # files
    "tests/root/test_image_overlay.py::test_a_copy_has_the_labels_of_the_place_it_is_made_in",
    "tests/root/test_image_shelf_life.py::test_a_tree_with_labels_of_the_hosts_own_is_good",
    "tests/root/test_pod_volumes.py::test_a_named_volume_outlives_its_pods_and_is_filled_once",
    # the main road
    "tests/root/test_pod_exec_rights.py::test_an_entered_process_has_what_the_app_has[user-auto]",
    "tests/root/test_pod_mount.py::test_a_directory_is_there_at_once_with_its_owners_and_goes_again",
    "tests/root/test_pod_cp.py::test_a_tree_comes_out_as_it_is[auto]",
    "tests/root/test_pod_life.py::test_inspect_tells_everything",
)
