package org.masklens.app;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNotSame;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertSame;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.Manifest;
import android.app.AlertDialog;
import android.content.ClipData;
import android.content.Context;
import android.content.Intent;
import android.content.pm.PackageManager;
import android.content.res.Configuration;
import android.graphics.Color;
import android.graphics.drawable.ColorDrawable;
import android.net.Uri;
import android.os.Bundle;
import android.provider.Settings;
import android.view.ViewGroup;
import android.view.WindowManager;
import android.webkit.PermissionRequest;
import android.webkit.WebChromeClient;
import android.webkit.WebResourceResponse;
import android.webkit.WebView;
import android.widget.TextView;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.Before;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.Implementation;
import org.robolectric.annotation.Implements;
import org.robolectric.shadows.ShadowAlertDialog;
import org.robolectric.shadows.ShadowViewGroup;

/** The screen on the real framework of Android 6 and 14, with the APK's own resources. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = {23, 34})
public class MainActivityTest {
    private static final Uri OURS = Uri.parse(AssetRouter.ORIGIN + "/");

    private ActivityController<MainActivity> controller;
    private MainActivity activity;

    @Before
    public void open() {
        controller = Robolectric.buildActivity(MainActivity.class).setup();
        activity = controller.get();
    }

    private WebView page() {
        ViewGroup content = activity.findViewById(android.R.id.content);
        return (WebView) ((ViewGroup) content.getChildAt(0)).getChildAt(0);
    }

    private PageClient client() {
        return (PageClient) shadowOf(page()).getWebViewClient();
    }

    private WebChromeClient chrome() {
        return shadowOf(page()).getWebChromeClient();
    }

    private PageBridge bridge() {
        return (PageBridge) shadowOf(page()).getJavascriptInterface(PageBridge.NAME);
    }

    private int answer(String method, String url) {
        return client().shouldInterceptRequest(page(), new Requests.Resource(method, url, false)).getStatusCode();
    }

    // The page and its origin

    @Test
    public void opensThePageWithTheCameraFirst() throws IOException {
        assertEquals(AssetRouter.START, shadowOf(page()).getLastLoadedUrl());
        WebResourceResponse answer =
                client().shouldInterceptRequest(page(), new Requests.Resource("GET", AssetRouter.START, false));
        assertEquals(200, answer.getStatusCode());
        assertEquals("text/html", answer.getMimeType());
        assertEquals("utf-8", answer.getEncoding());
        String html = new String(answer.getData().readAllBytes(), "UTF-8");
        assertTrue(html.toLowerCase().startsWith("<!doctype html>"));
        assertTrue(page().getSettings().getJavaScriptEnabled());
    }

    @Test
    public void answersMissingFilesAndClimbingPathsWith404() {
        assertEquals(404, answer("GET", AssetRouter.ORIGIN + "/assets/absent.js"));
        assertEquals(404, answer("GET", AssetRouter.ORIGIN + "/../AndroidManifest.xml"));
        assertEquals(404, answer("GET", AssetRouter.ORIGIN + "/%2e%2e/classes.dex"));
        assertEquals(200, answer("GET", AssetRouter.ORIGIN + "/model/card.json"));
    }

    @Test
    public void loadsNothingOfAnotherOrigin() {
        assertEquals(403, answer("GET", "https://example.org/index.html"));
        assertEquals(403, answer("GET", "http://appassets.androidplatform.net/index.html"));
        assertEquals(403, answer("GET", "file:///data/data/org.masklens.app/cache/x"));
        assertEquals(405, answer("POST", AssetRouter.ORIGIN + "/index.html"));
        assertNull(client().shouldInterceptRequest(
                page(), new Requests.Resource("GET", "blob:" + AssetRouter.ORIGIN + "/1-2-3", false)));
        assertFalse(page().getSettings().getAllowFileAccess());
        assertFalse(page().getSettings().getAllowContentAccess());
    }

    @Test
    public void opensLinksThatLeadOutInTheBrowserAndOnlyAfterATap() {
        assertFalse(client().shouldOverrideUrlLoading(page(), new Requests.Resource("GET", OURS + "#camera", false)));
        assertTrue(client().shouldOverrideUrlLoading(page(), new Requests.Resource("GET", "https://example.org/", false)));
        assertNull(shadowOf(activity).getNextStartedActivity());
        assertTrue(client().shouldOverrideUrlLoading(page(), new Requests.Resource("GET", "intent://x", true)));
        assertNull(shadowOf(activity).getNextStartedActivity());
        assertTrue(client().shouldOverrideUrlLoading(page(), new Requests.Resource("GET", "https://example.org/", true)));
        Intent browser = shadowOf(activity).getNextStartedActivity();
        assertEquals(Intent.ACTION_VIEW, browser.getAction());
        assertEquals("https://example.org/", browser.getDataString());
    }

    @Test
    public void aPageOfAnotherOriginGetsNoBridgeAndNoCamera() {
        client().onPageStarted(page(), "https://example.org/", null);
        assertThrows(SecurityException.class, () -> bridge().keepScreenOn(true));
        assertThrows(SecurityException.class, () -> bridge().save("x.jpg", "image/jpeg", "AAAA"));
        assertThrows(SecurityException.class, () -> bridge().share("x.jpg", "image/jpeg", "AAAA"));
        assertNull(shadowOf(activity).getNextStartedActivity());

        shadowOf(activity.getApplication()).grantPermissions(Manifest.permission.CAMERA);
        Requests.Permission foreign =
                new Requests.Permission("https://example.org/", PermissionRequest.RESOURCE_VIDEO_CAPTURE);
        chrome().onPermissionRequest(foreign);
        assertTrue(foreign.denied);
        assertNull(foreign.granted);
    }

    // The camera

    @Test
    public void grantsTheCameraAndNoMicrophoneOnceThePersonAllowsIt() {
        Requests.Permission request = new Requests.Permission(
                OURS.toString(), PermissionRequest.RESOURCE_VIDEO_CAPTURE, PermissionRequest.RESOURCE_AUDIO_CAPTURE);
        chrome().onPermissionRequest(request);
        assertFalse(request.isAnswered());
        assertArrayEquals(
                new String[] {Manifest.permission.CAMERA}, shadowOf(activity).getLastRequestedPermission().requestedPermissions);

        shadowOf(activity.getApplication()).grantPermissions(Manifest.permission.CAMERA);
        answerPermission(PackageManager.PERMISSION_GRANTED);
        assertArrayEquals(new String[] {PermissionRequest.RESOURCE_VIDEO_CAPTURE}, request.granted);

        Requests.Permission again = new Requests.Permission(OURS.toString(), PermissionRequest.RESOURCE_VIDEO_CAPTURE);
        chrome().onPermissionRequest(again);
        assertNotNull("granted without asking again", again.granted);
    }

    @Test
    public void refusesTheCameraWhenThePersonDoesAndShowsTheWayToTheSettings() {
        Requests.Permission request = new Requests.Permission(OURS.toString(), PermissionRequest.RESOURCE_VIDEO_CAPTURE);
        chrome().onPermissionRequest(request);
        shadowOf(activity.getPackageManager())
                .setShouldShowRequestPermissionRationale(Manifest.permission.CAMERA, true);
        answerPermission(PackageManager.PERMISSION_DENIED);
        assertTrue(request.denied);
        assertNull("Android asks again: no word about settings", ShadowAlertDialog.getLatestAlertDialog());

        Requests.Permission second = new Requests.Permission(OURS.toString(), PermissionRequest.RESOURCE_VIDEO_CAPTURE);
        chrome().onPermissionRequest(second);
        shadowOf(activity.getPackageManager())
                .setShouldShowRequestPermissionRationale(Manifest.permission.CAMERA, false);
        answerPermission(PackageManager.PERMISSION_DENIED);
        assertTrue(second.denied);
        AlertDialog dialog = ShadowAlertDialog.getLatestAlertDialog();
        assertEquals(activity.getString(R.string.camera_title), shadowOf(dialog).getTitle());
        while (shadowOf(activity).getNextStartedActivity() != null) {}
        dialog.getButton(AlertDialog.BUTTON_POSITIVE).performClick();
        shadowOf(android.os.Looper.getMainLooper()).idle();
        Intent settings = shadowOf(activity).getNextStartedActivity();
        assertEquals(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, settings.getAction());
        assertEquals("package:org.masklens.app", settings.getDataString());

        ShadowAlertDialog.reset();
        Requests.Permission third = new Requests.Permission(OURS.toString(), PermissionRequest.RESOURCE_VIDEO_CAPTURE);
        chrome().onPermissionRequest(third);
        answerPermission(PackageManager.PERMISSION_DENIED);
        assertTrue(third.denied);
        assertNull("who comes back without a yes is left alone", ShadowAlertDialog.getLatestAlertDialog());
    }

    @Test
    public void answersEveryCameraRequestOnce() {
        Requests.Permission first = new Requests.Permission(OURS.toString(), PermissionRequest.RESOURCE_VIDEO_CAPTURE);
        Requests.Permission second = new Requests.Permission(OURS.toString(), PermissionRequest.RESOURCE_VIDEO_CAPTURE);
        chrome().onPermissionRequest(first);
        chrome().onPermissionRequest(second);
        assertTrue(first.denied);
        chrome().onPermissionRequestCanceled(second);
        activity.onRequestPermissionsResult(CameraGate.REQUEST, new String[0], new int[0]);
        assertFalse("cancelled by the page: no longer to be answered", second.isAnswered());
        assertNull("nobody refused anything", ShadowAlertDialog.getLatestAlertDialog());

        Requests.Permission open = new Requests.Permission(OURS.toString(), PermissionRequest.RESOURCE_VIDEO_CAPTURE);
        chrome().onPermissionRequest(open);
        controller.pause().stop().destroy();
        assertTrue("closing the app is a no", open.denied);
    }

    private void answerPermission(int result) {
        activity.onRequestPermissionsResult(
                CameraGate.REQUEST, new String[] {Manifest.permission.CAMERA}, new int[] {result});
    }

    // Android's events

    @Test
    public void livesOnWhenRotatedWithAnOpenQuestion() {
        WebView before = page();
        Requests.Permission request = new Requests.Permission(OURS.toString(), PermissionRequest.RESOURCE_VIDEO_CAPTURE);
        chrome().onPermissionRequest(request);
        Configuration turned = new Configuration(activity.getResources().getConfiguration());
        turned.orientation = Configuration.ORIENTATION_LANDSCAPE;
        int width = turned.screenWidthDp;
        turned.screenWidthDp = turned.screenHeightDp;
        turned.screenHeightDp = width;
        controller.configurationChange(turned);
        assertSame("the same screen", activity, controller.get());
        assertSame("the same page", before, page());
        assertFalse(shadowOf(before).wasDestroyCalled());
        assertFalse(request.isAnswered());
        shadowOf(activity.getApplication()).grantPermissions(Manifest.permission.CAMERA);
        answerPermission(PackageManager.PERMISSION_GRANTED);
        assertNotNull(request.granted);
    }

    @Test
    public void followsDayAndNightWithoutBeginningAgain() {
        WebView before = page();
        assertEquals(Color.parseColor("#f4f2ec"), activity.getWindow().getStatusBarColor());
        Configuration night = new Configuration(activity.getResources().getConfiguration());
        night.uiMode = night.uiMode & ~Configuration.UI_MODE_NIGHT_MASK | Configuration.UI_MODE_NIGHT_YES;
        controller.configurationChange(night);
        assertSame(before, page());
        int dark = Color.parseColor("#10151c");
        assertEquals(dark, activity.getWindow().getStatusBarColor());
        assertEquals(dark, ((ColorDrawable) activity.getWindow().getDecorView().getBackground()).getColor());
    }

    @Test
    public void comesBackAfterAndroidEndedItsProcess() {
        shadowOf(page()).pushEntryToHistory(AssetRouter.ORIGIN + "/index.html#second");
        Bundle state = new Bundle();
        controller.saveInstanceState(state).pause().stop().destroy();
        controller = Robolectric.buildActivity(MainActivity.class).setup(state);
        activity = controller.get();
        assertEquals(AssetRouter.ORIGIN + "/index.html#second", page().getUrl());
    }

    @Test
    public void goesBackFromThePicturesToTheCameraAndThenLeaves() {
        shadowOf(page()).pushEntryToHistory(AssetRouter.ORIGIN + "/index.html");
        activity.onBackPressed();
        assertEquals("location.replace('#camera')", shadowOf(page()).getLastEvaluatedJavascript());
        assertFalse(activity.isFinishing());
        shadowOf(page()).pushEntryToHistory(AssetRouter.START);
        activity.onBackPressed();
        assertTrue(activity.isFinishing());
    }

    @Test
    public void pausesThePageWhenUnseenAndDestroysItAtTheEnd() {
        WebView view = page();
        controller.pause();
        assertFalse("beside another window the camera is still seen", shadowOf(view).wasOnPauseCalled());
        controller.stop();
        assertTrue(shadowOf(view).wasOnPauseCalled());
        controller.destroy();
        assertTrue(shadowOf(view).wasDestroyCalled());
    }

    @Test
    public void keepsTheScreenOnWhileThePageAsksForIt() {
        assertFalse(keepsScreenOn());
        bridge().keepScreenOn(true);
        assertTrue(keepsScreenOn());
        bridge().keepScreenOn(false);
        assertFalse(keepsScreenOn());
    }

    @Test
    public void beginsAgainWithoutTheCameraWhenThePagesProcessDies() {
        WebView dead = page();
        bridge().keepScreenOn(true);
        client().pageDied(dead);
        assertNotSame(dead, page());
        assertTrue(shadowOf(dead).wasDestroyCalled());
        assertEquals(AssetRouter.ORIGIN + "/index.html", shadowOf(page()).getLastLoadedUrl());
        assertFalse(keepsScreenOn());
    }

    private boolean keepsScreenOn() {
        int flags = activity.getWindow().getAttributes().flags;
        return (flags & WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON) != 0;
    }

    @Test
    @Config(shadows = NoWebView.class)
    public void saysSoWhereThereIsNoWebView() {
        ViewGroup content = activity.findViewById(android.R.id.content);
        TextView text = (TextView) ((ViewGroup) content.getChildAt(0)).getChildAt(0);
        assertEquals(activity.getString(R.string.no_webview), text.getText().toString());
        controller.saveInstanceState(new Bundle()).pause().stop().start().resume();
        activity.onBackPressed();
        assertTrue(activity.isFinishing());
    }

    /** A device whose WebView is being updated, or was removed. */
    @Implements(WebView.class)
    public static class NoWebView extends ShadowViewGroup {
        @Implementation
        protected void __constructor__(Context context) {
            throw new RuntimeException("MissingWebViewPackageException");
        }
    }

    // Choosing pictures

    @Test
    public void handsOverChosenPicturesAndAnswersEveryQuestion() {
        List<Uri[]> answers = new ArrayList<>();
        Requests.Chooser several = new Requests.Chooser(WebChromeClient.FileChooserParams.MODE_OPEN_MULTIPLE);
        chrome().onShowFileChooser(page(), answers::add, several);
        Intent chooser = shadowOf(activity).getNextStartedActivityForResult().intent;
        Intent pick = chooser.getParcelableExtra(Intent.EXTRA_INTENT);
        assertEquals(Intent.ACTION_GET_CONTENT, pick.getAction());
        assertTrue(pick.getBooleanExtra(Intent.EXTRA_ALLOW_MULTIPLE, false));
        Uri a = Uri.parse("content://pictures/a");
        Uri b = Uri.parse("content://pictures/b");
        ClipData both = ClipData.newRawUri(null, a);
        both.addItem(new ClipData.Item(b));
        Intent result = new Intent();
        result.setClipData(both);
        activity.onActivityResult(PicturePicker.REQUEST, MainActivity.RESULT_OK, result);
        assertEquals(Arrays.asList(a, b), Arrays.asList(answers.get(0)));

        Requests.Chooser one = new Requests.Chooser(WebChromeClient.FileChooserParams.MODE_OPEN);
        chrome().onShowFileChooser(page(), answers::add, one);
        activity.onActivityResult(PicturePicker.REQUEST, MainActivity.RESULT_OK, new Intent().setData(a));
        assertArrayEquals(new Uri[] {a}, answers.get(1));
        chrome().onShowFileChooser(page(), answers::add, one);
        activity.onActivityResult(PicturePicker.REQUEST, MainActivity.RESULT_CANCELED, null);
        assertNull(answers.get(2));
        chrome().onShowFileChooser(page(), answers::add, one);
        chrome().onShowFileChooser(page(), answers::add, one);
        assertEquals("the first of two is answered with nothing", 4, answers.size());
    }
}
