/** The fields of a message, each with its name, its type and its comment. */
import type { DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";
import type { ComponentChildren } from "preact";
import { isImplicit } from "../../call/draft.ts";
import { chooseMember, findMember, initialValue, isKeyOf, membersOf, setField } from "../../call/edits.ts";
import { isList, type Json, JsonObject } from "../../call/json.ts";
import { useTexts } from "../language.ts";
import {
  CONTROLS,
  commentOf,
  type Focus,
  type Place,
  placeOfField,
  placeOfOneof,
  useFocus,
  useInput,
} from "./context.ts";
import { Control, isSingle } from "./control.tsx";
import { Head, ProblemOf } from "./head.tsx";
import { type Element, Entries, Items } from "./items.tsx";

interface FieldsProps {
  readonly desc: DescMessage;
  readonly json: Json;
  readonly place: Place;
}

/** Shows all fields of the message, and the names of members that only the JSON shows. */
export function Fields({ desc, json, place }: FieldsProps) {
  const texts = useTexts();
  const others = membersOf(json).filter(({ key }) => !desc.fields.some((field) => isKeyOf(key, field)));
  return (
    <div class="fields">
      {desc.members.map((member) =>
        member.kind === "oneof" ? (
          <Oneof key={member.name} {...{ desc, json, place }} oneof={member} />
        ) : (
          <Field key={member.number} {...{ desc, json, place }} field={member} />
        ),
      )}
      {others.length > 0 && <p class="note wide">{texts.input.onlyInJson(others.map(({ key }) => key).join(", "))}</p>}
    </div>
  );
}

interface FieldProps extends FieldsProps {
  readonly field: DescField;
}

function Field(props: FieldProps) {
  const { desc, json, place: parent, field } = props;
  const { edit } = useInput();
  const member = findMember(json, field);
  const place = placeOfField(parent, field, member);
  const set = (value: Json | undefined) => edit(parent.path, (message) => setField(message, desc, field, value));
  const value = member?.value;
  if (field.fieldKind === "list" && (value === undefined || isList(value))) {
    return (
      <Group
        {...{ field, place }}
        isWide={value !== undefined}
        body={<Items field={field} items={value ?? []} {...{ place, set }} Element={OneValue} />}
      />
    );
  }
  if (field.fieldKind === "map" && (value === undefined || value instanceof JsonObject)) {
    return (
      <Group
        {...{ field, place }}
        isWide={value !== undefined}
        body={<Entries field={field} map={value} {...{ place, set }} Element={OneValue} />}
      />
    );
  }
  return <Singular {...{ field, value, place, set }} canUnset={field.oneof === undefined} />;
}

/** The value of an item or of an entry. */
const OneValue: Element = ({ field, value, place, set }) =>
  field.message === undefined || isSingle(field, value) ? (
    <Control
      type={field}
      {...{ value, place }}
      set={(changed) => changed !== undefined && set(changed)}
      canUnset={false}
    />
  ) : (
    <fieldset class="group" aria-label={place.label}>
      <Fields desc={field.message} json={value} place={place} />
    </fieldset>
  );

interface SingularProps {
  readonly field: DescField;
  readonly value: Json | undefined;
  readonly place: Place;
  readonly set: (value: Json | undefined) => void;
  readonly canUnset: boolean;
}

/** A field with one value, which can be a message. */
function Singular(props: SingularProps) {
  const { field, value, place, set, canUnset } = props;
  const { comments } = useInput();
  const { container, focusNext } = useFocus();
  const toggle = <Toggle {...props} focusNext={focusNext} />;
  return (
    <div ref={container} class={field.message && value !== undefined ? "wide" : undefined}>
      {field.message && (value === undefined || !isSingle(field, value)) ? (
        <Group
          {...{ field, place, toggle }}
          body={value && <Fields desc={field.message} json={value} place={place} />}
        />
      ) : (
        <div class="field">
          <Head of={field} {...{ place, toggle }} control={place.id} />
          <div class="body">
            <Control
              type={field}
              {...{ value, place, set }}
              canUnset={canUnset && field.message === undefined}
              isImplicit={isImplicit(field)}
              isLabelled
              hasComment={commentOf(comments, field) !== undefined}
            />
          </div>
          <ProblemOf place={place} />
        </div>
      )}
    </div>
  );
}

/** The button that sets or unsets a field. Fields without presence do not have one, as their control is enough. */
function Toggle({ field, value, place, set, canUnset, focusNext }: SingularProps & Pick<Focus, "focusNext">) {
  const texts = useTexts();
  if (!canUnset || (field.message === undefined && (value === undefined || isImplicit(field)))) return null;
  function toggle(): void {
    const isOn = value !== undefined;
    set(isOn ? undefined : initialValue(field));
    if (isOn) focusNext(".head button", CONTROLS);
    else focusNext(`.body ${CONTROLS}`, ".body button", ".head button");
  }
  const { input } = texts;
  return (
    <button
      type="button"
      aria-label={(value === undefined ? input.setOf : input.unsetOf)(place.label)}
      onClick={toggle}
    >
      {value === undefined ? input.set : input.unset}
    </button>
  );
}

interface GroupProps {
  readonly field: DescField;
  readonly place: Place;
  readonly toggle?: ComponentChildren;
  readonly body: ComponentChildren;
  /** True if it takes all columns of the form. */
  readonly isWide?: boolean;
}

/** A field that contains controls of its own. */
function Group({ field, place, toggle, body, isWide = false }: GroupProps) {
  const { comments } = useInput();
  return (
    <fieldset
      class={isWide ? "group wide" : "group"}
      aria-label={place.label}
      aria-describedby={commentOf(comments, field) && `${place.id}--comment`}
    >
      <Head of={field} {...{ place, toggle }} />
      <ProblemOf place={place} />
      {body && <div class="body">{body}</div>}
    </fieldset>
  );
}

interface OneofProps extends FieldsProps {
  readonly oneof: DescOneof;
}

/** A choice of the member, and the members that are set: one, or more if the JSON is wrong. */
function Oneof({ desc, json, place: parent, oneof }: OneofProps) {
  const texts = useTexts();
  const { comments, edit } = useInput();
  const { container, focusNext } = useFocus();
  const isSet = oneof.fields.filter((field) => findMember(json, field) !== undefined);
  const place = placeOfOneof(parent, oneof);
  function choose(name: string): void {
    const chosen = oneof.fields.find((field) => field.name === name);
    edit(parent.path, (message) => chooseMember(message, desc, oneof, chosen));
    focusNext(`#${CSS.escape(place.id)}`);
  }
  return (
    <div ref={container} class="oneof wide">
      <Head of={oneof} place={place} control={place.id} />
      <select
        id={place.id}
        aria-describedby={commentOf(comments, oneof) && `${place.id}--comment`}
        value={isSet[0]?.name ?? ""}
        onChange={({ currentTarget: { value } }) => choose(value)}
      >
        <option value="">{texts.input.notSet}</option>
        {oneof.fields.map(({ name, jsonName }) => (
          <option key={name} value={name}>
            {jsonName}
          </option>
        ))}
      </select>
      {isSet.map((field) => (
        <Field key={field.number} {...{ desc, json, field }} place={parent} />
      ))}
    </div>
  );
}
