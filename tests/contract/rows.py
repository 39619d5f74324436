"""Every row of the contract with the tests that show it."""

from typing import Final, NamedTuple


class Row(NamedTuple):
    """Something the contract says."""

    name: str
    says: str
    tests: tuple[str, ...] = ()
    """``tests/api/test_outdials.py::test_...``"""
    waits: str = ""
    """What is still to be built before it can hold; empty: it holds."""


class Part(NamedTuple):
    """A section of the contract."""

    title: str
    rows: tuple[Row, ...]


def _in(folder: str, **files: str) -> tuple[str, ...]:
    """Tests of a folder: names, separated by spaces, by file."""
    return tuple(f"tests/{folder}/test_{file}.py::test_{name}" for file, names in files.items() for name in names.split())


def _api(**files: str) -> tuple[str, ...]:
    return _in("api", **files)


def _dialing(**files: str) -> tuple[str, ...]:
    return _in("dialing", **files)


_MATRIX: Final = "another_customers_things_are_not_there_on_any_route"
_ANY_ROUTE: Final = _api(matrix="whoever_they_belong_to_finds_every_one_of_them")

PARTS: Final = (
    Part(
        "1.1 Base, ids, encoding",
        (
            Row(
                "1.1 base",
                "Routes stand under `/v1.0`, `/auth/login` beside it; each is described.",
                _api(
                    openapi="every_route_is_described_under_a_name_of_its_own",
                    matrix="every_route_of_the_document_has_its_place_in_the_matrix",
                ),
            ),
            Row(
                "1.1 json",
                "JSON in UTF-8; every success is 200, also of create and delete.",
                _api(
                    contract="success_is_200_also_for_what_is_made_and_deleted_and_the_whole_resource_is_answered",
                    bad_input="an_unknown_media_type_is_refused a_compressed_body_is_refused",
                ),
            ),
            Row(
                "1.1 ids",
                "Ids are lower-case UUIDs; no reference is the zero UUID, never null.",
                _api(contract="references_that_are_none_are_the_zero_id_and_never_null", bad_input="upper_case_ids_are_folded"),
            ),
            Row(
                "1.1 whole",
                "Create and update answer the whole resource; it is there at once by id and in lists, at every process.",
                _api(contract="success_is_200_also_for_what_is_made_and_deleted_and_the_whole_resource_is_answered"),
            ),
            Row(
                "1.1 put",
                "PUT changes only the fields in its body.",
                _api(
                    outdials="an_update_changes_only_what_is_in_the_body",
                    outplans="dial_info_changes_only_what_is_in_the_body",
                    campaigns="basic_info_changes_by_field_and_not_the_status resources_change_by_field_and_free_the_outdial_they_leave",
                ),
            ),
        ),
    ),
    Part(
        "1.2 Authentication",
        (
            Row(
                "1.2 order",
                "Cookie, query and header, `token` and `accesskey`: the first found decides.",
                _api(
                    auth="the_first_credential_in_the_contracts_order_decides a_wrong_credential_is_refused_whatever_comes_after_it",
                    accounts="an_access_key_comes_by_query_and_cookie_too",
                ),
            ),
            Row(
                "1.2 login",
                "`POST /auth/login` gives a token for seven days.",
                _api(accounts="a_login_gives_a_token_that_is_the_customers_for_seven_days whoever_is_not_let_in_is_not_told_why"),
            ),
            Row(
                "1.2 keys",
                "`/accesskeys`: `vb_...`, shown once; a key may end or be deleted.",
                _api(accounts="an_access_key_is_shown_once_lets_in_and_is_gone_when_it_is_deleted an_access_key_ends_when_it_was_to_end"),
            ),
            Row(
                "1.2 needed",
                "Every route needs a token that is good: none, a bad, an expired and a revoked one are 401.",
                _api(matrix="without_a_token_that_is_good_every_route_is_refused_and_does_nothing"),
            ),
            Row(
                "1.2 tenancy",
                "The customer is the identity's, never the body's.",
                _api(contract="the_customer_of_a_body_is_not_looked_at", matrix=_MATRIX),
            ),
        ),
    ),
    Part(
        "1.3 Errors",
        (
            Row(
                "1.3 envelope",
                "`{error: {status, reason, message, request_id, details}}`.",
                _api(envelope="every_refusal_has_the_five_parts_and_names_its_rule"),
            ),
            Row(
                "1.3 400 to 422",
                "400, 401, 403, 404, 405, 412, 413, 415, 422 with their reasons.",
                _api(contract="every_status_comes_with_its_reason_in_the_envelope"),
            ),
            Row("1.3 409", "STATE_INVALID and ALREADY_EXISTS.", _api(contract="what_is_in_the_wrong_state_is_409")),
            Row(
                "1.3 429",
                "RATE_LIMIT_EXCEEDED with `Retry-After` and `details[0].limited_by`.",
                _api(contract="too_many_requests_say_when_to_come_back_and_whose_limit_it_is"),
            ),
            Row(
                "1.3 500, 503",
                "INTERNAL; SERVICE_UNAVAILABLE, REQUEST_TIMEOUT; `min_position` not reached is 503.",
                _api(
                    contract="a_fault_and_a_service_that_cannot_come_in_the_envelope_too",
                    envelope="a_position_that_is_not_reached_in_time_is_503_whatever_the_clock_says",
                ),
            ),
            Row(
                "1.3 428",
                "No route asks for a precondition, so 428 is never answered; nor is 402, as nothing is paid here.",
                _api(contract="no_route_asks_for_a_precondition"),
            ),
            Row(
                "1.3 request_id",
                "A harmless `X-Request-Id` is echoed, any other replaced by `req_` and 26 base32 characters.",
                _api(envelope="a_harmless_request_id_is_echoed any_other_request_id_is_replaced"),
            ),
            Row(
                "1.3 parent",
                "A target under the wrong outdial is 404 OUTDIAL_TARGET_NOT_FOUND.",
                _api(bad_input="a_target_under_the_wrong_outdial_is_not_found"),
            ),
        ),
    ),
    Part(
        "1.4 Pagination",
        (
            Row(
                "1.4 size",
                "Default and most 100; outside 1 to 100 is 100; no integer is 400.",
                _api(paging="a_size_outside_1_to_100_is_100", bad_input="a_page_nobody_can_be_on_is_refused"),
            ),
            Row(
                "1.4 shape",
                "`result` and `next_page_token`; `[]`, never null.",
                _api(paging="an_empty_list_is_an_empty_array_with_an_empty_token"),
            ),
            Row(
                "1.4 order",
                "Newest first; the next page is strictly older; no row twice, none left out.",
                _api(paging="every_row_comes_once_newest_first_also_those_that_share_a_microsecond"),
            ),
        ),
    ),
    Part(
        "1.5 Timestamps, 1.6 rate limits",
        (
            Row(
                "1.5 out",
                "The form of the documents with the year 9999 for not yet; RFC 3339 and null on request.",
                _api(
                    contract="every_answer_has_its_times_in_the_form_that_was_asked_for",
                    paging="times_come_as_rfc_3339_and_null_on_request",
                ),
            ),
            Row(
                "1.5 in",
                "All three forms are taken.",
                (
                    *_api(contract="a_time_is_taken_in_every_form", paging="a_bare_time_in_any_form_is_a_token"),
                    *_in("schemas", scalars="every_accepted_form_names_the_instant"),
                ),
            ),
            Row("1.6 off", "No limit unless one is set.", _api(limits="there_is_no_limit_unless_one_is_set")),
            Row(
                "1.6 set",
                "By address and by customer, with a burst; whoever waits as told gets in.",
                _api(
                    limits="an_address_that_asks_too_often_waits_and_another_does_not "
                    "a_customer_who_asks_too_often_waits_wherever_they_ask_from_and_others_do_not "
                    "no_more_get_in_than_the_rate_says_and_whoever_waits_as_told_does"
                ),
            ),
        ),
    ),
    Part(
        "2 Models",
        (
            Row(
                "2.1 Address",
                "Five fields; tel, sip and email and UUID forms; normal forms.",
                (
                    *_in(
                        "schemas",
                        address="an_address_has_five_fields_and_each_is_empty_by_default a_number_is_the_same_however_people_write_it "
                        "mail_is_the_same_in_any_case of_a_sip_address_only_the_host_is_the_same_in_any_case "
                        "every_other_type_is_a_uuid_in_any_case a_malformed_endpoint_has_no_form",
                    ),
                    *_dialing(campaigns="a_campaign_of_calls_dials_telephones_only a_campaign_of_flows_dials_any_address"),
                ),
            ),
            *(
                Row(f"{number} {model}", says, _api(contract="every_model_has_its_fields_and_each_its_form", **more))
                for number, model, says, more in (
                    ("2.2", "Outdial", "Its nine fields.", {}),
                    (
                        "2.3",
                        "Outdialtarget",
                        "Its fields; `status` in three words; counts made; no customer_id.",
                        {"targets": "the_lifecycle_follows_the_attempts"},
                    ),
                    (
                        "2.4",
                        "Outplan",
                        "Its fields, echoed as they came; negative numbers are 400.",
                        {
                            "outplans": "an_outplan_echoes_what_came an_outplan_made_of_nothing_has_the_defaults",
                            "bad_input": "a_field_of_a_wrong_form_is_refused_by_name",
                        },
                    ),
                    ("2.5", "Campaign", "Its fields; made in `stop`.", {"campaigns": "a_campaign_is_made_stopped_and_claims_its_outdial"}),
                    (
                        "2.6",
                        "Campaigncall",
                        "Its fields; `dialing`, `progressing`, `done`; `success` or `fail`.",
                        {"campaigns": "a_campaign_runs_dials_finishes_and_shows_its_attempts"},
                    ),
                    (
                        "2.7",
                        "OutdialTargetCall",
                        "The same attempt as its target sees it.",
                        {"targets": "the_attempts_of_a_target_are_listed_in_the_shape_the_model_promises"},
                    ),
                )
            ),
        ),
    ),
    Part(
        "3 Routes",
        (
            Row("3 all", "Every route answers whoever it belongs to, and nobody else.", (*_ANY_ROUTE, *_api(matrix=_MATRIX))),
            Row(
                "3.1 outdials",
                "List, create, get, update, delete, campaign_id (anything else detaches), data.",
                _api(
                    outdials="an_update_changes_only_what_is_in_the_body the_zero_id_or_a_text_that_is_no_id_detaches "
                    "a_put_without_its_one_field_is_refused a_deleted_outdial_takes_no_targets_and_asks_for_no_calls",
                    bad_input="a_path_id_that_is_no_uuid_is_refused an_unknown_id_is_not_found_by_the_name_of_its_kind",
                ),
            ),
            Row(
                "3.2 targets",
                "List without the deleted, single and bulk create, get, delete.",
                _api(
                    targets="a_deleted_target_is_left_out_of_lists_and_never_requested "
                    "a_body_of_many_answers_in_its_own_order_and_names_what_it_left_out",
                    bad_input="a_target_nobody_could_dial_is_refused_with_a_rule",
                ),
            ),
            Row(
                "3.3 outplans",
                "List, create, get, update, dial_info, delete; a change reaches running outdials at the next pick.",
                (
                    *_api(outplans="a_change_of_dial_info_reaches_an_outdial_that_runs_by_it a_deleted_outplan_takes_no_change"),
                    *_dialing(runs="a_change_of_the_outplan_reaches_running_outdials_at_the_next_request"),
                ),
            ),
            Row(
                "3.4 create",
                "References must exist, be the customer's and not deleted; the outdial free or ours; else 400.",
                _api(
                    campaigns="a_campaign_that_refers_to_nothing_is_refused_and_not_there an_outdial_of_another_campaign_cannot_be_claimed "
                    "a_campaign_is_made_stopped_and_claims_its_outdial"
                ),
            ),
            Row(
                "3.4 status",
                "`run` and `stop`, anything else 400; open calls live on; resumes from stopping.",
                (
                    *_api(
                        campaigns="a_stop_is_stopping_while_an_attempt_is_open any_status_but_run_and_stop_is_refused "
                        "a_campaign_without_resources_does_not_run"
                    ),
                    *_dialing(campaigns="a_run_resumes_from_stopping running_twice_starts_one_run"),
                ),
            ),
            Row(
                "3.4 parts",
                "service_level, actions, resource_info, next_campaign_id (empty or zero unchains, malformed 400).",
                _api(
                    campaigns="a_next_campaign_is_chained_unchained_and_checked resources_change_by_field_and_free_the_outdial_they_leave",
                    bad_input="actions_that_no_reader_of_the_log_could_read_again_are_refused",
                ),
            ),
            Row(
                "3.4 delete",
                "Only in `stop`, else 409.",
                _api(contract="what_is_in_the_wrong_state_is_409", campaigns="a_deleted_campaign_frees_its_outdial"),
            ),
            Row(
                "3.5 attempts",
                "All, one, delete only when done (else 409); those of a campaign; those of a target.",
                _api(
                    campaigns="an_attempt_can_be_taken_out_of_the_lists_once_it_has_ended "
                    "a_campaign_runs_dials_finishes_and_shows_its_attempts",
                    targets="the_attempts_of_a_target_are_listed_in_the_shape_the_model_promises",
                ),
            ),
        ),
    ),
    Part(
        "8 Conflicts",
        (
            Row(
                "C1",
                "Five caps per destination; `retry_mode` result; budgets never add up; the scenarios of the documents in both.",
                _dialing(
                    retry_rules="c1_each_destination_has_its_own_cap_and_zero_is_never_dialed c1_by_destination_every_outcome_is_alike "
                    "c1_the_example_configuration_by_result c1_the_example_configuration_by_destination "
                    "c1_scenario_1_sales_by_result c1_scenario_1_sales_by_destination_dials_nothing_and_says_so "
                    "c1_scenario_2_appointments c1_scenario_3_alerts budgets_never_add_up"
                ),
            ),
            Row(
                "C2",
                "One route, single or `targets`; `destination` is `destination_0`, both is an error.",
                _api(
                    targets="destination_is_another_name_of_destination_0_in_both_forms "
                    "a_body_of_many_answers_in_its_own_order_and_names_what_it_left_out"
                ),
            ),
            Row("C3", "`status` in three words, `lifecycle` in seven.", _api(targets="the_lifecycle_follows_the_attempts")),
            Row(
                "C4",
                "try_count_N is made, try_count_remaining_N is left.",
                _api(targets="tries_left_are_unknown_without_a_plan_and_counted_under_one"),
            ),
            Row(
                "C5",
                "try_count_max caps the sum; try_count_current is the sum.",
                (
                    *_dialing(retry_rules="c5_the_cap_of_a_target_counts_all_its_destinations c5_the_cap_of_a_target_never_adds_tries"),
                    *_api(seeds="example_5_bulk_create_with_a_cap_on_each_target"),
                ),
            ),
            Row(
                "C6",
                "Exhausted is done and failed; a raised cap revives, counts unchanged.",
                _dialing(
                    retry_rules="c6_a_raised_cap_brings_exhausted_targets_back_with_their_counts "
                    "c6_a_plan_that_gives_no_tries_revives_nobody",
                    weaknesses="w14_a_target_without_a_try_left_is_done",
                ),
            ),
            Row(
                "C7",
                "Both forms of time, in and out; events carry RFC 3339.",
                _api(
                    contract="every_answer_has_its_times_in_the_form_that_was_asked_for a_time_is_taken_in_every_form",
                    paging="a_bare_time_in_any_form_is_a_token",
                ),
            ),
            Row(
                "C8",
                "tm_update at creation: not yet; of a target tm_create.",
                _api(contract="what_is_new_was_not_updated_yet_but_a_target_was_when_it_was_made"),
            ),
            Row("C9", "customer_id on everything but a target.", _api(contract="every_model_has_its_fields_and_each_its_form")),
            Row("C10", "An outdial needs nothing.", _api(contract="an_outdial_needs_nothing_but_an_object")),
            Row(
                "C11",
                "At least one destination; `{}` and an empty address are absent.",
                _api(targets="empty_addresses_are_absent_and_shown_as_null", bad_input="a_target_nobody_could_dial_is_refused_with_a_rule"),
            ),
            Row("C12", "An unset destination is null.", _api(contract="an_address_has_five_keys_and_an_unset_one_is_null")),
            Row("C13", "An address has five keys.", _api(contract="an_address_has_five_keys_and_an_unset_one_is_null")),
            Row(
                "C14",
                "sip with and without its scheme: echoed as sent, compared in normal form.",
                (*_api(targets="a_sip_address_is_echoed_as_it_was_sent"), *_dialing(listing="c19_a_duplicate_is_found_by_its_normal_form")),
            ),
            Row(
                "C15",
                "Milliseconds; 1 to 999 is taken and pointed out.",
                (
                    *_api(contract="a_ring_time_that_looks_like_seconds_is_taken_and_pointed_out"),
                    *_dialing(runs="a_ring_time_in_seconds_is_pointed_out"),
                ),
            ),
            Row(
                "C16",
                "Due at the end of the attempt and the interval; without a word the lease is the end.",
                _dialing(
                    attempts="c16_the_interval_runs_from_the_end_of_the_attempt "
                    "an_attempt_without_a_word_is_lost_as_not_answered_and_the_interval_runs_from_there"
                ),
            ),
            Row("C17", "The interval is the target's.", _dialing(retry_rules="c17_moving_on_to_the_next_destination_waits_too")),
            Row(
                "C18",
                "Calling windows of a plan, in the zone of who is called; absent is always.",
                _dialing(
                    windows="a_target_is_dialed_when_its_window_opens_and_not_a_microsecond_before "
                    "a_number_that_may_be_in_several_zones_is_dialed_when_the_window_is_open_in_all_of_them "
                    "no_call_may_be_started_after_the_end_of_the_window without_windows_it_says_nothing_of_them"
                ),
            ),
            Row(
                "C19",
                "`on_duplicate`: accept, skip, reject; skip for many, accept for one; by normal form; reported.",
                (
                    *_api(targets="duplicates_in_a_body_of_many_go_by_on_duplicate a_single_duplicate_is_accepted_unless_said_otherwise"),
                    *_dialing(
                        listing="c19_a_duplicate_is_found_by_its_normal_form c19_a_single_target_is_added_too_unless_it_says_otherwise "
                        "c19_several_targets_skip_duplicates_of_the_list_and_of_one_another"
                    ),
                ),
            ),
            Row("C20", "`metadata` is kept as JSON in `data`.", _api(targets="metadata_is_kept_as_json_in_data")),
            Row(
                "C21",
                "Earliest due first, then creation, then id; nobody is blocked by who is not due.",
                _dialing(
                    agenda="c21_among_equals_the_earliest_due_goes_first c21_a_retry_that_fell_due_earlier_goes_before_a_new_target "
                    "a_target_that_is_not_due_never_blocks_one_that_is the_agenda_says_what_a_plain_sort_of_all_targets_says"
                ),
            ),
            Row("C22", "Adding and deleting while it runs is safe.", _api(contract="targets_are_added_and_deleted_while_it_dials")),
            Row(
                "C23",
                "A token for every page with rows, with an id only where the next row shares its microsecond; any bare time is one.",
                _api(
                    paging="the_token_has_an_id_only_where_the_next_row_shares_the_microsecond a_bare_time_in_any_form_is_a_token "
                    "an_empty_list_is_an_empty_array_with_an_empty_token"
                ),
            ),
            Row(
                "C24",
                "Deleted rows are left out unless asked for; by id they stay.",
                _api(
                    paging="deleted_rows_are_left_out_unless_asked_for",
                    contract="success_is_200_also_for_what_is_made_and_deleted_and_the_whole_resource_is_answered",
                ),
            ),
            Row(
                "C25",
                "service_level: ringing attempts below agents times level, with real division.",
                _dialing(
                    service_level="as_many_ring_as_there_are_fewer_than_agents_times_the_level "
                    "one_agent_at_eighty_percent_can_be_dialed_for "
                    "a_call_that_was_answered_rings_no_more_and_makes_room a_campaign_without_a_queue_is_not_limited"
                ),
            ),
            Row(
                "C26",
                "A campaign starts by its status route; `status` elsewhere is ignored.",
                _api(campaigns="basic_info_changes_by_field_and_not_the_status"),
            ),
            Row(
                "C27",
                "Answered is finished, whatever ended it; cleared before the answer is not.",
                _dialing(
                    attempts="c27_an_answered_call_is_answered_whatever_ended_it",
                    weaknesses="w15_a_call_cleared_before_the_answer_is_no_success_and_one_ended_after_it_is",
                ),
            ),
            Row("C28", "The model's names for an attempt of a target.", _api(contract="every_model_has_its_fields_and_each_its_form")),
            Row(
                "C29",
                "Another customer's id is 404 with the resource's reason, on every route; so is a target under the wrong outdial.",
                _api(matrix=_MATRIX, bad_input="a_target_under_the_wrong_outdial_is_not_found"),
            ),
            Row(
                "outcomes",
                "VoIPBIN's hangup reasons are aliases of outcomes.",
                _dialing(
                    attempts="every_outcome_but_an_answer_spends_the_try_and_waits_the_interval",
                    weaknesses="w09_an_unknown_hangup_reason_is_refused_and_the_attempt_still_ends",
                ),
            ),
        ),
    ),
    Part(
        "10 Examples of the documents",
        (
            Row(
                "10 answers",
                "Every answer the documents show, field by field.",
                _api(contract="every_answer_of_the_documents_is_given_field_by_field"),
            ),
            *(
                Row(f"10.{number}", says, _api(seeds=f"example_{number}_{name}"))
                for number, (says, name) in enumerate(
                    (
                        ("An outdial with name, detail and data.", "an_outdial_with_name_detail_and_data"),
                        ("A target with one number.", "a_target_with_one_number"),
                        ("A target after one successful attempt.", "a_target_after_one_successful_attempt"),
                        ("Lists.", "lists_have_result_and_the_last_rows_time_as_token"),
                        ("Bulk with try_count_max.", "bulk_create_with_a_cap_on_each_target"),
                        ("An outplan without source, slots with cap 0.", "an_outplan_without_source_never_dials_slots_with_cap_0"),
                        ("dial_info, name, delete of an outplan.", "dial_info_name_and_delete_of_an_outplan"),
                        ("An outdial with name and detail.", "an_outdial_with_name_and_detail_only"),
                        ("Query token and cookie.", "a_query_token_together_with_a_cookie"),
                        ("The aggressive timeline.", "the_aggressive_timeline"),
                    ),
                    1,
                )
            ),
        ),
    ),
)
"""The contract in its own order."""
